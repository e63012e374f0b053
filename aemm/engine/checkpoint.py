"""Checkpoints of tensors and plain types only, always loaded with ``weights_only=True``.

mmengine pickles its message hub into a checkpoint, which a safe load rightly refuses. A hook turns the
hub into plain types before saving and back after loading.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.model import is_model_wrapper
from mmengine.runner import CheckpointLoader, Runner
from torch import Tensor, nn

from aemm.registry import HOOKS

_SHOWN = 8


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says what is wrong with it."""


def read_checkpoint(path: str, map_location: Any = "cpu") -> dict[str, Any]:
    """A local checkpoint file as a dict, loaded without running any code that it may hold.

    Args:
        path: the file.
        map_location: as in ``torch.load``.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is no checkpoint, or holds more than tensors and plain types.
    """
    path = os.path.expanduser(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"checkpoint {path} does not exist")
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"checkpoint {path} holds more than tensors and plain types and is not loaded, since unpickling it could "
            f"run any code ({reason}). Convert it with a tool of tools/checkpoint_tools"
        ) from error
    except (RuntimeError, EOFError, ValueError) as error:
        raise CheckpointError(f"checkpoint {path} is damaged or no checkpoint: {error}") from error
    if not isinstance(checkpoint, dict):
        raise CheckpointError(f"checkpoint {path} must hold a dict, got {type(checkpoint).__name__}")
    return checkpoint


@CheckpointLoader.register_scheme(prefixes="", force=True)
def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Mmengine's name for reading a file, made safe; always to the CPU.

    Weights are copied from there in any case. The steps that Adam counts would stay on another device, and each of
    them would be asked for at every step.
    """
    return read_checkpoint(filename)


@CheckpointLoader.register_scheme(prefixes=("http://", "https://"), force=True)
def load_from_http(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Mmengine's name for reading an address, made safe; always to the CPU."""
    return torch.hub.load_state_dict_from_url(filename, map_location="cpu", weights_only=True)


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


def model_faults(model: nn.Module, state: Mapping[str, Tensor], partial: bool = False) -> list[str]:
    """Why ``state`` does not fit ``model``.

    Args:
        model: the unwrapped model.
        state: entries of a checkpoint.
        partial: allow entries that the checkpoint lacks or has beyond the model's, not another shape.
    """
    own = model.state_dict()
    given = {name.removeprefix("module."): value for name, value in state.items()}
    shapes = [
        f"{name} is {tuple(given[name].shape)} in the checkpoint, {tuple(own[name].shape)} in the model"
        for name in own
        if name in given and given[name].shape != own[name].shape
    ]
    if partial:
        return shapes
    missing = [f"{name} is missing from the checkpoint" for name in own if name not in given]
    extra = [f"{name} is in the checkpoint, but not in the model" for name in given if name not in own]
    return missing + shapes + extra


def check_state(model: nn.Module, state: Mapping[str, Tensor], partial: bool = False, hint: str = "") -> None:
    """Raise unless ``state`` fits ``model``.

    Args:
        model: the unwrapped model.
        state: entries of a checkpoint.
        partial: see :func:`model_faults`.
        hint: what else to do about it.

    Raises:
        CheckpointError: with the first faults.
    """
    faults = model_faults(model, state, partial)
    if faults:
        listed = "".join(f"\n  - {fault}" for fault in faults[:_SHOWN])
        more = f"\n  (and {len(faults) - _SHOWN} more)" if len(faults) > _SHOWN else ""
        raise CheckpointError(
            f"the checkpoint was made by another model:{listed}{more}\nUse the config it was trained with"
            f"{'; ' if hint else ''}{hint}"
        )


@HOOKS.register_module()
class SafeCheckpointHook(Hook):
    """Save plain checkpoints, and refuse one that does not fit the model.

    Args:
        partial: fine-tuning: load what a checkpoint has, and let the rest of the model start anew.
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
        """Check the weights against the model, and rebuild the message hub's buffers."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        state = checkpoint.get("state_dict", checkpoint)
        hint = "to fine-tune from what fits, set default_hooks.safe_checkpoint.partial=True"
        check_state(model, state, self.partial, hint)
        hub = checkpoint.get("message_hub")
        if isinstance(hub, dict):
            hub["log_scalars"] = {key: _to_buffer(saved) for key, saved in hub["log_scalars"].items()}
