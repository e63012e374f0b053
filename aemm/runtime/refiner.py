"""A second look at every person by an exported single-person network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from aemm.ops.refining import RefineRules, Square, accept, cells_of_square, cut_squares, find_squares
from aemm.records import Instances
from aemm.runtime.decoding import SingleDecoding, View
from aemm.runtime.description import DeployedModelError
from aemm.runtime.engines import Engine
from aemm.runtime.rules import read_record


class Refiner:
    """Corrects people as :class:`aemm.postprocess.SinglePersonRefiner` does.

    Args:
        engine: of the single-person network.
        path: of its file, for messages.
        settings: fields of :class:`aemm.ops.refining.RefineRules`.

    Raises:
        DeployedModelError: the file does not hold a single-person network.
    """

    def __init__(self, engine: Engine, path: str, settings: dict[str, Any]) -> None:
        description = engine.description
        if description is None or description.task != "single_person":
            got = "no description" if description is None else f"task {description.task!r}"
            raise DeployedModelError(f"{path}: expected a single-person network to refine with, got {got}")
        try:
            self.engine, self.rules = engine, read_record(RefineRules, settings)
            self._decode = SingleDecoding(description)
        except ValueError as error:
            raise DeployedModelError(f"{path}: the rules of its refinement are not valid: {error}") from error
        self.convention = description.convention

    def __call__(self, found: Instances, image: np.ndarray) -> Instances:
        """The people of an image ``(H, W, 3) uint8`` RGB, corrected."""
        keypoints, keypoint_scores = (values.copy() for values in found.need_keypoints())
        rows, lots = find_squares(keypoints, keypoint_scores, self.rules)
        if not rows:
            return found
        people = [person.need_keypoints() for lot in lots for person in self._look(image, lot)]
        points, scores = (np.concatenate(values) for values in zip(*people, strict=True))
        changed = accept((keypoints[rows], keypoint_scores[rows]), (points, scores), self.rules)
        keypoints[rows], keypoint_scores[rows] = changed
        return replace(found, keypoints=keypoints, keypoint_scores=keypoint_scores)

    def _look(self, image: np.ndarray, squares: list[Square]) -> list[Instances]:
        """The person that the network finds in each square."""
        views: list[np.ndarray] = []
        warps = np.zeros((0, 3, 3))
        for size in self.rules.sizes:
            crops, ways = cut_squares(image, squares, size, self.rules.multiple_of)
            heatmaps = self.engine.run(np.ascontiguousarray(crops.transpose(0, 3, 1, 2)))["heatmaps"]
            cells = cells_of_square(heatmaps.shape[3], crops.shape[1], size)
            views.append(_resized(heatmaps[..., :cells, :cells], views[0].shape[2] if views else cells))
            warps = warps if len(warps) else ways
        merged = np.mean(views, axis=0)
        side, image_size = self.rules.sizes[0], (image.shape[0], image.shape[1])
        return [
            self._decode({"heatmaps": merged}, b, View(b, image_size, (side, side), warp, self.convention))
            for b, warp in enumerate(warps)
        ]


def _resized(heatmaps: np.ndarray, cells: int) -> np.ndarray:
    """Square maps ``(N, K, h, h)`` at another size, bilinear, corners not aligned."""
    if heatmaps.shape[3] == cells:
        return heatmaps
    planes = [cv2.resize(plane, (cells, cells)) for plane in heatmaps.reshape(-1, *heatmaps.shape[2:])]
    return np.stack(planes).reshape(*heatmaps.shape[:2], cells, cells)
