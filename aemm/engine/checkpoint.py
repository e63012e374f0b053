"""What mmengine's runner reads and writes as checkpoints: tensors and plain types only.

mmengine pickles its message hub into a checkpoint, which a safe load rightly refuses. A hook turns the
hub into plain types before saving and back after loading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.model import is_model_wrapper
from mmengine.runner import CheckpointLoader, Runner
from mmengine.runner.checkpoint import get_external_models, get_torchvision_models
from torch import Tensor

from aemm.formats.checkpoint import CheckpointError, check_state, read_checkpoint, weights_of
from aemm.registry import HOOKS

_SHOWN = 8
_ZOOS = {
    "torchvision": get_torchvision_models,
    "modelzoo": get_torchvision_models,
    "open-mmlab": get_external_models,
    "openmmlab": get_external_models,
}
_REMEDY = (
    "for other keypoints let tools/checkpoint_tools/map_keypoints.py keep what both sets share; to start anew whatever "
    "does not fit, set default_hooks.safe_checkpoint.partial=True"
)


@CheckpointLoader.register_scheme(prefixes=("", "http://", "https://", r"s3://", r"petrel://"), force=True)
def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Mmengine's name for reading a file or an address, made safe; always to the CPU.

    Weights are copied from there in any case. The steps that Adam counts would stay on another device, and each of
    them would be asked for at every step.
    """
    return read_checkpoint(filename)


@CheckpointLoader.register_scheme(prefixes=[f"{zoo}://" for zoo in _ZOOS], force=True)
def load_from_zoo(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Mmengine's name for reading weights that a model zoo lists, made safe.

    Raises:
        CheckpointError: the zoo lists no such weights.
    """
    zoo, name = filename.split("://", 1)
    listed = _ZOOS[zoo]()
    if name not in listed:
        raise CheckpointError(f"checkpoint {filename} is not listed by {zoo}; give its address or the path of a file")
    return read_checkpoint(listed[name])


@CheckpointLoader.register_scheme(prefixes=("mmcls://", "pavi://", r"\S+:s3://", r"\S+:petrel://"), force=True)
def load_from_elsewhere(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Where mmengine would unpickle without looking.

    Raises:
        CheckpointError: always.
    """
    raise CheckpointError(f"checkpoint {filename} is of a source that aemm does not read; give the path of a file")


def to_plain(value: Any) -> Any:
    """``value`` with its numpy types, buffers and subclassed containers replaced by tensors and plain types.

    Raises:
        CheckpointError: it holds an object that has no plain form.
    """
    if value is None or isinstance(value, Tensor):
        return value
    if isinstance(value, HistoryBuffer):
        log, count = value.data
        return {"history": torch.as_tensor(log), "counts": torch.as_tensor(count), "max_length": value.max_length}
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy()) if value.dtype.kind in "biuf" else to_plain(value.tolist())
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: to_plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, Mapping):
        return {to_plain(key): to_plain(item) for key, item in value.items()}
    if type(value) in (bool, int, float, str, bytes):
        return value
    if isinstance(value, str | int | float):
        return str(value) if isinstance(value, str) else int(value) if isinstance(value, int) else float(value)
    if isinstance(value, list | tuple | set | frozenset):
        items = [to_plain(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    raise CheckpointError(f"a {type(value).__name__} cannot be saved in a checkpoint, only tensors and plain types can")


def _to_buffer(saved: Any) -> Any:
    if not isinstance(saved, Mapping) or "history" not in saved:
        return saved
    # mmengine appends to a buffer's arrays, so they must be numpy's again
    return HistoryBuffer(saved["history"].cpu().tolist(), saved["counts"].cpu().tolist(), saved["max_length"])


def _scheduler_states(saved: Any) -> list[dict[str, Any]]:
    """The states of all schedulers, whether one optimizer is trained or several."""
    groups = list(saved.values()) if isinstance(saved, Mapping) else [saved or []]
    return [state for group in groups for state in group]


@HOOKS.register_module()
class SafeCheckpointHook(Hook):
    """Save plain checkpoints, and refuse one that does not fit the model.

    Args:
        partial: fine-tuning: load the entries that fit, name the others in the log, and let them start anew.
    """

    priority = "VERY_LOW"

    def __init__(self, partial: bool = False) -> None:
        self.partial = partial

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Make everything but the weights plain."""
        for state in _scheduler_states(checkpoint.get("param_schedulers")):
            for key in [key for key, value in state.items() if callable(value)]:
                del state[key]  # a scheduler builds its functions itself
        for key in checkpoint:
            if key != "state_dict":
                checkpoint[key] = to_plain(checkpoint[key])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check the weights against the model, and rebuild the message hub's buffers.

        Raises:
            CheckpointError: they do not fit, or with ``partial`` nothing of them does.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        state = weights_of(checkpoint, "that was loaded")
        if self.partial:
            self._leave_out(runner, state, model.state_dict())
        else:
            check_state(model, state, remedy=_REMEDY)
        checkpoint["state_dict"] = state
        hub = checkpoint.get("message_hub")
        if isinstance(hub, dict):
            hub["log_scalars"] = {key: _to_buffer(saved) for key, saved in hub["log_scalars"].items()}

    @staticmethod
    def _leave_out(runner: Runner, state: dict[str, Tensor], own: Mapping[str, Tensor]) -> None:
        """Take from ``state`` what has no place in the model, and say what starts anew."""
        for name in [name for name, value in state.items() if name not in own or value.shape != own[name].shape]:
            del state[name]
        if not state:
            raise CheckpointError("nothing of the checkpoint fits the model, so there is nothing to fine-tune from")
        new = [name for name in own if name not in state]
        more = f" and {len(new) - _SHOWN} more" if len(new) > _SHOWN else ""
        runner.logger.warning(
            f"{len(state)} of {len(own)} entries of the model come from the checkpoint; "
            f"what starts anew: {', '.join(new[:_SHOWN]) or 'nothing'}{more}"
        )
