"""A second look at every person by a single-person network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from mmengine.device import get_device

from aemm.formats.checkpoint import best_in, load_weights
from aemm.ops.maps import merge_maps
from aemm.ops.refining import RefineRules, Square, accept, cells_of_square, cut_squares, find_squares
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

    Attributes:
        rules: of all that needs no network.

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
        self.rules = RefineRules(
            tuple(sizes), multiple_of, padding, min_side, min_score, near, min_agreement, max_batch
        )
        self.model: Any = MODELS.build(model).eval()
        self.checkpoint, self.device = checkpoint, device or get_device()
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
        rows, lots = find_squares(keypoints, keypoint_scores, self.rules)
        if not rows:
            return found
        points, scores = (
            np.concatenate(values) for values in zip(*(self._look(image, lot) for lot in lots), strict=True)
        )
        changed = accept((keypoints[rows], keypoint_scores[rows]), (points, scores), self.rules)
        keypoints[rows], keypoint_scores[rows] = changed
        return replace(found, keypoints=keypoints, keypoint_scores=keypoint_scores)

    @torch.no_grad()
    def _look(self, image: np.ndarray, squares: list[Square]) -> tuple[np.ndarray, np.ndarray]:
        """What the network finds in squares: keypoints ``(N, K, 2)`` in image pixels, and scores ``(N, K)``."""
        self.load()
        views: list[Maps] = []
        for size in self.rules.sizes:
            batch = self._crops(image, squares, size)
            maps = self.model.maps(self.model.data_preprocessor(batch)["batch"])
            cells = cells_of_square(maps.size[1], batch.input_size[0], size)
            views.append(Maps(maps.heatmaps[..., :cells, :cells]))
            if len(views) == 1:
                first = replace(batch, images=[batch.images[0][..., :size, :size]])
        people = [person.need_keypoints() for person in self.model.decoder(merge_maps(views, views[0].size), first)]
        return np.concatenate([points for points, _ in people]), np.concatenate([scores for _, scores in people])

    def _crops(self, image: np.ndarray, squares: list[Square], size: int) -> Batch:
        """Every square at ``size`` pixels, see :func:`aemm.ops.refining.cut_squares`."""
        crops, warps = cut_squares(image, squares, size, self.rules.multiple_of)
        return Batch(
            images=[send(torch.from_numpy(crops), torch.device(self.device)).permute(0, 3, 1, 2)],
            image_ids=list(range(len(squares))),
            image_sizes=[(image.shape[0], image.shape[1])] * len(squares),
            warp=warps,
        )

    def load(self) -> None:
        """Read the weights and move the network to its device, once."""
        if self._ready:
            return
        if self.checkpoint is not None:
            path = best_in(self.checkpoint) if os.path.isdir(self.checkpoint) else self.checkpoint
            load_weights(self.model, path)
        self.model.to(self.device)
        self._ready = True
