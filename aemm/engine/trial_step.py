"""One step of training, and one prediction, tried out and measured."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from torch import nn

from aemm.engine.memory import bytes_of, count_kept, in_words, optimizer_bytes
from aemm.engine.trial_data import TrialLoader
from aemm.geometry import translation
from aemm.structures import Batch, Instances, Maps, Sample, Targets

_SECONDS = 4.0  # for a look on a CPU
_SIDE = 128  # of what is looked at where an image takes long, pixels
_STEP = 64  # from one place of it to the next; every network here divides it evenly
_SHOWN = 6


@dataclass(frozen=True)
class TrialStep:
    """What a step did.

    Attributes:
        images: that it saw.
        size: height and width of each, pixels.
        stages: what the head gave, in words.
        losses: terms by name.
        norm: of the gradients.
        unused: parameters that are trained and get no gradient.
        seconds: that loss and gradients took.
        weights: bytes of weights, gradients and what the optimizer keeps.
        kept: bytes that the loss leaves for the gradients.
    """

    images: int
    size: tuple[int, int]
    stages: list[str]
    losses: dict[str, float]
    norm: float
    unused: list[str]
    seconds: float
    weights: int
    kept: int

    @property
    def pixels(self) -> int:
        """Of all images."""
        return self.images * self.size[0] * self.size[1]

    def faults(self) -> list[str]:
        """What is wrong with it."""
        terms = {name: value for name, value in self.losses.items() if "loss" in name}  # others tell, and may be NaN
        values = {**terms, "gradient norm": self.norm}
        return [f"loss: {name} is {value}" for name, value in values.items() if not math.isfinite(value)]

    def describe(self, batch_size: int, size: tuple[int, int]) -> list[tuple[str, str]]:
        """Title and text of what it tells.

        Args:
            batch_size: of a process.
            size: height and width of an image of the training, pixels.
        """
        of = f"{self.images} of the {batch_size} images of a batch" if self.images < batch_size else "a whole batch"
        if self.size != size:
            of = f"a part, {self.size[1]} x {self.size[0]} pixels, of {of}"
        terms = ", ".join(f"{name} {value:.4g}" for name, value in self.losses.items() if not math.isnan(value))
        each = size[0] * size[1] / self.pixels
        total = self.weights + self.kept * each * batch_size
        return [
            ("stages", "; ".join(f"{count} x {words}" for words, count in Counter(self.stages).items())),
            ("loss", f"of {of}: {terms}; gradient norm {self.norm:.4g}"),
            (
                "memory",
                f"about {in_words(total)} for a step of {batch_size}: {in_words(self.weights)} for weights, gradients "
                f"and optimizer, {in_words(self.kept * each)} for each image; libraries come on top",
            ),
            ("time", f"{self.seconds * each:.2f} s an image for loss and gradients, here ({get_device()})"),
        ]


def try_step(cfg: Config, model: nn.Module, loader: TrialLoader, samples: Sequence[Sample]) -> TrialStep:
    """A step of training on the first samples: the whole batch on a GPU, on a CPU as much as a few seconds allow.

    Args:
        cfg: of the training.
        model: its weights change.
        loader: of the samples.
        samples: of a batch.
    """
    model.to(get_device()).train()
    wrapper: Any = build_optim_wrapper(model, cfg.optim_wrapper)
    if get_device() != "cpu":
        return _step(model, wrapper, loader.collate(samples))
    one = loader.collate(samples[:1])
    step = _step(model, wrapper, crop_batch(one, _SIDE))
    affordable = int(_SECONDS * step.pixels / step.seconds) // _pixels(one)
    return _step(model, wrapper, loader.collate(samples[:affordable])) if affordable else step


def _pixels(batch: Batch) -> int:
    return batch.images[0].shape[-2] * batch.images[0].shape[-1]


def crop_batch(batch: Batch, side: int) -> Batch:
    """The part with most annotated keypoints of a batch that is larger than ``side`` pixels, else its middle.

    Args:
        batch: of one scale, from a loader.
        side: multiple of 64, which every network here divides evenly.
    """
    height, width = batch.input_size
    if len(batch.images) > 1 or max(height, width) <= side:
        return batch
    high, wide = min(height, side), min(width, side)
    targets = [one.dense() for one in batch.targets]
    corners = [(top, left) for top in range(0, height - high + 1, _STEP) for left in range(0, width - wide + 1, _STEP)]
    corners.sort(key=lambda corner: abs(2 * corner[0] + high - height) + abs(2 * corner[1] + wide - width))
    tagged = next((one for one in targets if one.tag_index is not None), None)
    if tagged is not None:
        corners.sort(key=lambda corner: -_count_tagged(_crop_targets(tagged, height, (*corner, high, wide))))
    top, left = corners[0]
    part = replace(batch, warp=translation(-left, -top) @ batch.warp)
    part.images = [batch.images[0][..., top : top + high, left : left + wide]]
    part.targets = [_crop_targets(one, height, (top, left, high, wide)) for one in targets]
    return part


def _count_tagged(targets: Targets) -> int:
    return 0 if targets.tag_index is None else int((targets.tag_index >= 0).sum())


def _crop_targets(targets: Targets, height: int, window: tuple[int, int, int, int]) -> Targets:
    stride = height // targets.size[0]
    top, left, high, wide = (edge // stride for edge in window)
    rows, columns = slice(top, top + high), slice(left, left + wide)
    index = targets.tag_index
    if index is not None:
        cells = targets.size[0] * targets.size[1]
        channel, y, x = index // cells, index % cells // targets.size[1] - top, index % targets.size[1] - left
        inside = (index >= 0) & (y >= 0) & (y < high) & (x >= 0) & (x < wide)
        index = torch.where(inside, (channel * high + y) * wide + x, -1)
    return Targets(targets.need_heatmaps()[..., rows, columns], targets.weight[..., rows, columns], index)


def _step(model: Any, wrapper: Any, batch: Batch) -> TrialStep:
    model.zero_grad(set_to_none=True)
    stages: list[Maps] = []
    watch = model.head.register_forward_hook(lambda module, inputs, output: stages.extend(output))
    start = time.perf_counter()
    with count_kept(model) as kept, wrapper.optim_context(model):
        terms = model(**model.data_preprocessor(batch, True), mode="loss")
    watch.remove()
    total, values = model.parse_losses(terms)
    total.backward()
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), math.inf))
    seconds = time.perf_counter() - start
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    optimizers = [wrapper.optimizer] if hasattr(wrapper, "optimizer") else []
    if math.isfinite(norm):
        for optimizer in optimizers:
            optimizer.step()
    own = bytes_of([*model.parameters(), *model.buffers()]) + bytes_of(p.grad for _, p in trained)
    return TrialStep(
        images=len(batch),
        size=batch.input_size,
        stages=[_shape_of(maps) for maps in stages],
        losses={name: float(value.detach()) for name, value in values.items()},
        norm=norm,
        unused=[name for name, parameter in trained if parameter.grad is None],
        seconds=seconds,
        weights=own + sum(map(optimizer_bytes, optimizers)),
        kept=kept.size,
    )


def _shape_of(maps: Maps) -> str:
    height, width = maps.size
    tags = "no tags" if maps.tags is None else f"{maps.tags.shape[1]} x {maps.tags.shape[2]} tag maps"
    return f"{maps.heatmaps.shape[1]} heatmaps and {tags} of {width} x {height} cells"


def unused_faults(names: Sequence[str], cfg: Mapping[str, Any], processes: int) -> tuple[list[str], list[str]]:
    """Faults and advice about parameters that get no gradient, and the switch that allows them.

    Args:
        names: of these parameters.
        cfg: of the training.
        processes: that train together.
    """
    wrapper = cfg.get("model_wrapper_cfg") or {}
    allowed = bool(wrapper.get("find_unused_parameters", cfg.get("find_unused_parameters")))
    if names and not allowed:
        listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        text = (
            f"find_unused_parameters: {len(names)} parameters get no gradient ({listed}), at which several processes "
            "stop. Freeze or remove them, or set find_unused_parameters=True"
        )
        return ([text], []) if processes > 1 else ([], [text])
    if allowed and not names:
        return [], ["find_unused_parameters=True: every parameter gets a gradient, so that it takes time for nothing"]
    return [], []


@torch.no_grad()
def try_prediction(model: Any, loader: TrialLoader, seconds: float) -> tuple[Batch, list[Instances], str]:
    """What a model finds in the first image of its test data, or in a part of it where that took long.

    Args:
        model: it is brought to the device, and left in its test mode.
        loader: of the test data.
        seconds: that a pixel took in training; a view of a test takes a third of it.

    Returns:
        The batch, what was found, and where.
    """
    model.to(get_device()).eval()
    whole = loader.collate(loader.samples(1))
    batch = crop_batch(whole, _SIDE) if _pixels(whole) * seconds > _SECONDS else whole
    where = "all" if batch is whole else f"a part, {batch.input_size[1]} x {batch.input_size[0]} pixels,"
    batch = model.data_preprocessor(batch)["batch"]
    return batch, model.predict(batch), where
