"""A step of training written to a file, and run again from it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from torch import Tensor, nn

from aemm import structures
from aemm.engine.optim_wrapper import OptimWrapper
from aemm.formats.checkpoint import CheckpointError, check_state, read_checkpoint
from aemm.registry import MODELS


def pack(value: Any) -> Any:
    """Records and arrays as dicts and tensors, which ``torch.load(weights_only=True)`` takes."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, np.ndarray):
        return {"array": torch.from_numpy(np.ascontiguousarray(value))}
    if isinstance(value, np.generic):
        return value.item()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"record": type(value).__name__, **{f.name: pack(getattr(value, f.name)) for f in fields(value)}}
    if isinstance(value, list | tuple):
        packed = [pack(item) for item in value]
        return tuple(packed) if isinstance(value, tuple) else packed
    return {key: pack(item) for key, item in value.items()} if isinstance(value, dict) else value


def unpack(value: Any) -> Any:
    """What :func:`pack` was given."""
    if isinstance(value, dict) and "array" in value:
        return value["array"].numpy()
    if isinstance(value, dict):
        items = {name: unpack(item) for name, item in value.items() if name != "record"}
        return getattr(structures, value["record"])(**items) if "record" in value else items
    if isinstance(value, list | tuple):
        return type(value)(unpack(item) for item in value)
    return value


def write_step(path: Path, iteration: int, batches: Sequence[Any], weights: Mapping[str, Tensor]) -> str:
    """Keep the batches of a step, and the weights that met them, for :func:`replay`.

    Args:
        path: the file.
        iteration: from 0.
        batches: one, or several whose gradients are gathered.
        weights: of the unwrapped model; empty where they are no longer known.

    Returns:
        For a message: where they are, or why they are not. A full disk must not hide what is being reported.
    """
    kept = {
        "iteration": iteration,
        "batches": pack(list(batches)),
        "state_dict": {k: pack(v) for k, v in weights.items()},
    }
    try:
        torch.save(kept, path)
    except (OSError, RuntimeError) as error:
        return f"its batch could not be written to {path} ({error})"
    return f"its batch{'' if weights else ', without the weights that met it,'} is in {path}"


@dataclass(frozen=True)
class Replay:
    """What a step did when it was run again.

    Attributes:
        iteration: of the step, from 0.
        losses: for each of its batches the terms by name.
        layer: the first module whose output was not finite; None if all were.
        gradients: parameters whose gradient was not finite.
        norm: of all gradients.
    """

    iteration: int
    losses: list[dict[str, float]]
    layer: str | None
    gradients: list[str]
    norm: float

    @property
    def finite(self) -> bool:
        """Whether nothing was NaN or infinite this time."""
        values = [value for terms in self.losses for name, value in terms.items() if "loss" in name]
        return self.layer is None and not self.gradients and all(map(math.isfinite, [*values, self.norm]))


def replay(cfg: Config, path: str, checkpoint: str | None = None) -> Replay:
    """Run the forward and backward passes of a step that was written to a file.

    Args:
        cfg: that of the training.
        path: written by :func:`write_step`.
        checkpoint: weights to use instead of those in the file.

    Raises:
        CheckpointError: the file holds no step, or no weights while none are given; or they do not fit the model.
    """
    kept = read_checkpoint(path)
    if not {"iteration", "batches", "state_dict"} <= kept.keys():
        raise CheckpointError(f"{path} holds no step of a training (it has {', '.join(map(str, kept))})")
    weights = read_checkpoint(checkpoint) if checkpoint else kept
    state = weights.get("state_dict", weights)
    if not state:
        raise CheckpointError(
            f"{path} holds no weights, since the step was seen too late; give the last checkpoint with --checkpoint"
        )
    model: nn.Module = MODELS.build(cfg.model)
    check_state(model, state)
    model.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    model.to(get_device()).train()
    wrapper: OptimWrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    losses = []
    with _first_fault(model) as layers:
        for batch in unpack(kept["batches"]):
            with wrapper.optim_context(model):
                terms = model(**model.data_preprocessor(batch, True), mode="loss")  # type: ignore[operator]
            total, values = model.parse_losses(terms)  # type: ignore[operator]
            total.backward()
            losses.append({name: float(value.detach()) for name, value in values.items()})
    bad = [n for n, p in model.named_parameters() if p.grad is not None and not bool(torch.isfinite(p.grad).all())]
    norm = nn.utils.clip_grad_norm_(model.parameters(), math.inf)
    return Replay(kept["iteration"], losses, next(iter(layers), None), bad, float(norm))


@contextmanager
def _first_fault(model: nn.Module) -> Iterator[list[str]]:
    """Names of the innermost modules whose output is not finite, in the order they run."""
    found: list[str] = []

    def look(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not bool(torch.isfinite(output).all()):
                found.append(name)

        return hook

    leaves = [(name, module) for name, module in model.named_modules() if not list(module.children())]
    handles = [module.register_forward_hook(look(name)) for name, module in leaves]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
