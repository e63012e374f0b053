"""Targets of instance segmentation: a heatmap per class, the weight of the loss, and pixels to read tags at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from aemm.ops.image import coverage
from aemm.registry import TRANSFORMS
from aemm.structures import Sample, Targets


@TRANSFORMS.register_module()
class InstanceTargets(BaseTransform):
    """Targets of a sample, one for each output stride.

    A heatmap is the union of the masks of its class: the share of each cell that they cover. Each
    instance gets up to ``samples`` cells, drawn without repetition from those it covers more than
    half; a thin one that covers none so gets the cell it covers most.

    Args:
        strides: input pixels per map cell of each supervised output.
        num_classes: C.
        samples: P, cells drawn for each instance.
        size_range: smallest and largest square root of an instance's area, pixels of the network's input;
            instances outside are left out of the targets and ignored by the losses.
        tag_strides: those of ``strides`` whose outputs carry tags; None = all.
        tag_per_class: whether every class has its own tag map, T = C, or all share one, T = 1.

    Raises:
        ValueError: an argument is out of range or ``tag_strides`` names a stride without output.

    Reference: Newell et al. 2017, section 3.3 and equation 2.
    """

    def __init__(
        self,
        strides: Sequence[int],
        num_classes: int,
        samples: int = 20,
        size_range: Sequence[float] = (0.0, float("inf")),
        tag_strides: Sequence[int] | None = None,
        tag_per_class: bool = True,
    ) -> None:
        if not strides or min(strides) < 1:
            raise ValueError(f"strides must hold at least one positive number, got {list(strides)}")
        if num_classes < 1 or samples < 1:
            raise ValueError(f"num_classes and samples must be at least 1, got {num_classes} and {samples}")
        if len(size_range) != 2 or not 0 <= size_range[0] < size_range[1]:
            raise ValueError(f"size_range must be (smallest, largest) in pixels, got {tuple(size_range)}")
        self.strides = tuple(strides)
        self.num_classes = num_classes
        self.samples = samples
        self.size_range = (float(size_range[0]), float(size_range[1]))
        self.tag_strides = self.strides if tag_strides is None else tuple(tag_strides)
        if extra := sorted(set(self.tag_strides) - set(self.strides)):
            raise ValueError(f"tag_strides must be some of the strides {list(self.strides)}, got also {extra}")
        self.tag_per_class = tag_per_class

    def transform(self, sample: Sample) -> Sample:
        """The sample with its targets, in the order of ``strides``.

        Raises:
            ValueError: the sample has no masks, a label without heatmap, or a stride does not divide its image.
        """
        masks, labels = sample.need_masks()
        if len(labels) and not 0 <= labels.min() <= labels.max() < self.num_classes:
            raise ValueError(
                f"image {sample.image_id}: labels must be in 0..{self.num_classes - 1}, got {labels.max()}; "
                "does num_classes fit the data set's classes?"
            )
        height, width = sample.image.shape[:2]
        if any(height % s or width % s for s in self.strides):
            raise ValueError(
                f"image {sample.image_id}: every stride of {list(self.strides)} must divide the image, got height "
                f"{height} and width {width}; does the pipeline resize to a fixed size?"
            )
        side = np.sqrt(masks.sum((1, 2)))
        taught = (side > 0) & (side >= self.size_range[0]) & (side <= self.size_range[1])
        return replace(sample, targets=[self._targets(sample, masks, labels, taught, s) for s in self.strides])

    def _targets(
        self, sample: Sample, masks: np.ndarray, labels: np.ndarray, taught: np.ndarray, stride: int
    ) -> Targets:
        height, width = sample.image.shape[0] // stride, sample.image.shape[1] // stride
        heatmaps = np.zeros((self.num_classes, height, width), np.float32)
        for label in np.unique(labels[taught]):
            heatmaps[label] = coverage(masks[taught & (labels == label)].any(0), stride)
        ignore = np.zeros(sample.image.shape[:2], bool) if sample.ignore is None else sample.ignore
        weight = (coverage(ignore, stride) <= 0.5).astype(
            np.float32
        )  # a cell counts unless most of it is to be ignored
        if not taught.all():
            weight[coverage(masks[~taught].any(0), stride) > 0] = 0
        index = None
        if stride in self.tag_strides:
            index = torch.from_numpy(self._tag_index(sample.rng, masks[taught], labels[taught], stride))
        return Targets(torch.from_numpy(heatmaps), torch.from_numpy(weight), index)

    def _tag_index(self, rng: np.random.Generator, masks: np.ndarray, labels: np.ndarray, stride: int) -> np.ndarray:
        """Flat places ``(N, P)`` in ``(T, h, w)``, -1 where an instance has fewer cells than P."""
        index = np.full((len(masks), self.samples), -1, np.int64)
        for row, mask, label in zip(index, masks, labels.tolist(), strict=True):
            share = coverage(mask, stride)
            cells = np.flatnonzero(share > 0.5)
            if not len(cells):
                cells = np.array([share.argmax()])
            drawn = rng.permutation(cells)[: self.samples]
            row[: len(drawn)] = drawn + (label * share.size if self.tag_per_class else 0)
        return index

    def __repr__(self) -> str:
        """Class and settings."""
        return (
            f"{type(self).__name__}(strides={self.strides}, num_classes={self.num_classes}, samples={self.samples}, "
            f"size_range={self.size_range}, tag_strides={self.tag_strides}, tag_per_class={self.tag_per_class})"
        )
