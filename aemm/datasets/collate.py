"""Samples become a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from aemm.registry import COLLATE_FUNCTIONS
from aemm.structures import Batch, Sample, SparseMaps, Targets


def _stack_tag_index(parts: list[Tensor]) -> Tensor:
    """Indices ``(N_i, P_i)`` of B images as one ``(B, N, P)``, padded with -1."""
    count = max(part.shape[0] for part in parts)
    places = max(part.shape[1] for part in parts)
    stacked = torch.full((len(parts), count, places), -1, dtype=torch.int64)
    for row, part in zip(stacked, parts, strict=True):
        row[: part.shape[0], : part.shape[1]] = part
    return stacked


def _stack_heatmaps(parts: Sequence[Tensor]) -> SparseMaps:
    """Heatmaps ``(C, h, w)`` of B images as one, packed."""
    arrays = [np.ascontiguousarray(part.numpy()).reshape(-1) for part in parts]
    cells = [np.flatnonzero(values != 0) for values in arrays]  # of booleans, several times faster
    values = np.concatenate([values[at] for values, at in zip(arrays, cells, strict=True)])
    flat = np.concatenate([at + i * len(arrays[0]) for i, at in enumerate(cells)])
    shape = (len(parts), *parts[0].shape)
    if math.prod(shape) > np.iinfo(np.int32).max:
        raise ValueError(f"heatmaps of a batch hold at most 2^31 cells, got {shape}; set a smaller batch_size")
    return SparseMaps(torch.from_numpy(flat.astype(np.int32)), torch.from_numpy(values), shape)


def _stack_weights(parts: Sequence[Tensor]) -> Tensor:
    """Weights ``(h, w)`` of B images as one; in bytes where they are 0 and 1 alone."""
    weight = torch.stack(list(parts))
    short = weight.to(torch.uint8)
    return short if torch.equal(short.to(weight.dtype), weight) else weight


def _stack_targets(parts: Sequence[Targets]) -> Targets:
    """Targets of B images at one stride, with a leading B."""
    index = [part.tag_index for part in parts if part.tag_index is not None]
    return Targets(
        _stack_heatmaps([part.need_heatmaps() for part in parts]),
        _stack_weights([part.weight for part in parts]),
        _stack_tag_index(index) if index else None,
    )


def _stack_images(images: Sequence[np.ndarray]) -> Tensor:
    """Images ``(H, W, 3)`` of one size as ``(B, 3, H, W)``."""
    sizes = {image.shape[:2] for image in images}
    if len(sizes) > 1:
        raise ValueError(
            f"images of one batch must have one size, got {sorted(sizes)}; set batch_size=1 in the dataloader, or let "
            "ResizeToFit(square=True) bring every image to the same size"
        )
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


@COLLATE_FUNCTIONS.register_module()
def collate(samples: Sequence[Sample]) -> Batch:
    """Samples of one size, with or without targets, as a :class:`Batch`.

    Images stay ``uint8``, and heatmaps packed, until the model's preprocessor has them on its device.

    Raises:
        ValueError: the images differ in size; they are never padded here, since padding changes what
            a network sees with the company an image happens to keep.
    """
    for name, values in (
        ("scales", {sample.scales for sample in samples}),
        ("convention", {sample.convention for sample in samples}),
    ):
        if len(values) > 1:
            raise ValueError(f"samples of one batch must share their {name}, got {sorted(values)}")
    views = [
        _stack_images([(sample.image, *sample.views)[i] for sample in samples]) for i in range(len(samples[0].scales))
    ]
    strides = zip(*(sample.targets for sample in samples), strict=True)
    return Batch(
        images=views,
        image_ids=[sample.image_id for sample in samples],
        image_sizes=[sample.image_size for sample in samples],
        warp=np.stack([sample.warp for sample in samples]),
        targets=[_stack_targets(parts) for parts in strides],
        truths=[sample.truth for sample in samples if sample.truth is not None],
        scales=samples[0].scales,
        convention=samples[0].convention,
        originals=[sample.original for sample in samples if sample.original is not None],
        passed_over=tuple(reason for sample in samples for reason in sample.passed_over),
    )
