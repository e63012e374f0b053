"""A second look at every person by a single-person network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from mmengine.device import get_device
from torch import Tensor

from aemm import geometry
from aemm.formats.checkpoint import best_in, load_weights
from aemm.ops.boxes import keypoint_box, person_square
from aemm.ops.image import warp_image
from aemm.ops.maps import merge_maps
from aemm.ops.transfer import send
from aemm.registry import MODELS, POSTPROCESSORS
from aemm.structures import Batch, Instances, Maps


@POSTPROCESSORS.register_module()
class SinglePersonRefiner:
    """Correct the keypoints of every person by a network that was trained on crops of single people.

    Around the keypoints found a square is cut out and shown at several sizes, up to ``max_batch`` people
    in one batch; the heatmaps are averaged. A keypoint is replaced if it was absent, or if the network is
    sure of it; but if the network hardly agrees with what had been found, it looks at somebody else, and
    the person stays. Scores of people do not change.

    Args:
        model: config of the network, with a ``SinglePersonDecoder``; its ``tta`` says whether crops are mirrored.
        checkpoint: its weights, read when the first person arrives: a file, or the work dir of its training, whose
            best checkpoint is taken; None = as the config initialises it.
        sizes: of the squares shown, pixels; the first is decoded.
        multiple_of: a size that is no multiple is shown with more of its surroundings, which are then
            cut off the maps.
        padding: side of the square over the longer side of the box of the keypoints.
        min_side: the longer side counts as at least this many pixels.
        min_score: a keypoint that had been found is replaced where the new score exceeds this.
        near: pixels below which two places agree.
        min_agreement: share of the keypoints found that must agree with the network's.
        max_batch: people shown to the network at once; more of them come in several batches.
        device: where the network runs; None = a GPU if there is one.

    Reference: princeton-vl/pose-ae-demo main.py, refinement.
    """

    needs_image = True

    def __init__(
        self,
        model: dict[str, Any],
        checkpoint: str | None = None,
        sizes: Sequence[int] = (512, 400, 300),
        multiple_of: int = 64,
        padding: float = 1.3,
        min_side: float = 60.0,
        min_score: float = 0.15,
        near: float = 10.0,
        min_agreement: float = 0.2,
        device: str | None = None,
        max_batch: int = 16,
    ) -> None:
        if max_batch < 1:
            raise ValueError(f"max_batch must be at least 1 person, got {max_batch}")
        if not sizes or min(sizes) < 1:
            raise ValueError(f"sizes must be one or more positive numbers of pixels, got {list(sizes)}")
        self.model: Any = MODELS.build(model).eval()
        self.checkpoint, self.device = checkpoint, device or get_device()
        self.sizes, self.multiple_of = tuple(sizes), multiple_of
        self.padding, self.min_side = padding, min_side
        self.min_score = min_score
        self.near = near
        self.min_agreement = min_agreement
        self.max_batch = max_batch
        self._ready = False

    def reset(self) -> None:
        """Nothing: every image is looked at by itself."""

    def __call__(self, found: Instances, image: np.ndarray | None) -> Instances:
        """The people of an image, corrected.

        Args:
            found: the people.
            image: ``(H, W, 3) uint8`` RGB, the original.

        Raises:
            ValueError: they have no keypoints, or there is no image.
            CheckpointError: the weights cannot be read, or do not fit the network.
        """
        if image is None:
            raise ValueError(f"image {found.image_id}: refinement looks at the original image, got None")
        keypoints, keypoint_scores = (values.copy() for values in found.need_keypoints())
        boxes = [keypoint_box(p, s > 0) for p, s in zip(keypoints, keypoint_scores, strict=True)]
        rows = [row for row, box in enumerate(boxes) if box is not None]
        if not rows:
            return found
        squares = [person_square(box, self.padding, self.min_side) for box in boxes if box is not None]
        parts = [self._look(image, squares[at : at + self.max_batch]) for at in range(0, len(squares), self.max_batch)]
        points, scores = (np.concatenate(values) for values in zip(*parts, strict=True))
        keypoints[rows], keypoint_scores[rows] = self._accept(keypoints[rows], keypoint_scores[rows], points, scores)
        return replace(found, keypoints=keypoints, keypoint_scores=keypoint_scores)

    def _accept(
        self, old: np.ndarray, old_scores: np.ndarray, new: np.ndarray, new_scores: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints ``(N, K, 2)`` and scores ``(N, K)`` after the rules of replacement."""
        present = old_scores > 0
        agree = present & (np.linalg.norm(new - old, axis=2) < self.near)
        trusted = agree.sum(1) >= self.min_agreement * present.sum(1)
        change = trusted[:, None] & (~present | (new_scores > self.min_score)) & (new_scores > 0)
        return np.where(change[..., None], new, old), np.where(change, new_scores, old_scores)

    @torch.no_grad()
    def _look(
        self, image: np.ndarray, squares: Sequence[tuple[tuple[float, float], float]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the network finds in squares: keypoints ``(N, K, 2)`` in image pixels, and scores ``(N, K)``."""
        self._load()
        views: list[Maps] = []
        for size in self.sizes:
            batch = self._crops(image, squares, size)
            maps = self.model.maps(self.model.data_preprocessor(batch)["batch"])
            views.append(Maps(_without_surroundings(maps.heatmaps, batch.input_size[0], size)))
            if len(views) == 1:
                first = replace(batch, images=[batch.images[0][..., :size, :size]])
        people = [person.need_keypoints() for person in self.model.decoder(merge_maps(views, views[0].size), first)]
        return np.concatenate([points for points, _ in people]), np.concatenate([scores for _, scores in people])

    def _crops(self, image: np.ndarray, squares: Sequence[tuple[tuple[float, float], float]], size: int) -> Batch:
        """Every square at ``size`` pixels, in the upper left of an image that the network can take."""
        side = geometry.round_up(size, self.multiple_of)
        warps = np.stack([geometry.crop_warp(center, length, (size, size)) for center, length in squares])
        crops = np.stack([warp_image(image, warp, (side, side)) for warp in warps])
        return Batch(
            images=[send(torch.from_numpy(crops), torch.device(self.device)).permute(0, 3, 1, 2)],
            image_ids=list(range(len(squares))),
            image_sizes=[(image.shape[0], image.shape[1])] * len(squares),
            warp=warps,
        )

    def _load(self) -> None:
        """Read the weights and move the network to its device, once."""
        if self._ready:
            return
        if self.checkpoint is not None:
            path = best_in(self.checkpoint) if os.path.isdir(self.checkpoint) else self.checkpoint
            load_weights(self.model, path)
        self.model.to(self.device)
        self._ready = True


def _without_surroundings(heatmaps: Tensor, side: int, size: int) -> Tensor:
    """The part of maps ``(N, K, h, w)`` of images ``side`` px wide that shows their first ``size`` px."""
    cells, rest = divmod(size * heatmaps.shape[-1], side)
    if rest:
        raise ValueError(f"sizes must be multiples of the network's stride {side / heatmaps.shape[-1]:g}, got {size}")
    return heatmaps[..., :cells, :cells]
