"""OKS AP of COCO-format keypoint data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmengine
import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from terminaltables import AsciiTable

from aemm.evaluation.functional.coco import KEYPOINT_STATS, evaluate_keypoints, load_backend
from aemm.registry import METRICS
from aemm.skeletons import build_skeleton
from aemm.structures import Instances


def coco_keypoints(keypoints: np.ndarray, scores: np.ndarray) -> list[float]:
    """One instance's keypoints as COCO lists them: x, y, score, K times.

    An absent keypoint is written at the mean of those present, as the authors do: at (0, 0) it would
    stretch the area by which the evaluator sorts instances into medium and large.

    Args:
        keypoints: ``(K, 2)`` image pixels.
        scores: ``(K,)``, 0 = absent.
    """
    present = scores > 0
    middle = keypoints[present].mean(0) if present.any() else np.zeros(2)
    places = np.where(present[:, None], keypoints, middle)
    return np.column_stack([places, scores]).astype(float).ravel().tolist()


def _plain_ground_truth(data: dict[str, Any], count: int, image_number: dict[Any, int]) -> dict[str, Any]:
    """The fields that evaluators need, with what a file may leave out filled in and numbered images."""
    skeletal = [c for c in data["categories"] if c.get("keypoints")]
    numbers = {c["id"]: n for n, c in enumerate(skeletal, 1)}
    annotations = []
    for n, a in enumerate((a for a in data["annotations"] if a["category_id"] in numbers), 1):
        points = np.asarray(a.get("keypoints") or [0] * 3 * count, float).reshape(count, 3)
        seen = points[points[:, 2] > 0, :2] if (points[:, 2] > 0).any() else np.zeros((1, 2))
        box = a.get("bbox") or [*seen.min(0).tolist(), *np.ptp(seen, axis=0).tolist()]
        annotations.append(
            dict(
                id=n,
                image_id=image_number[a["image_id"]],
                category_id=numbers[a["category_id"]],
                keypoints=points.ravel().tolist(),
                num_keypoints=int((points[:, 2] > 0).sum()),
                area=float(a.get("area") or box[2] * box[3]),
                bbox=[float(v) for v in box],
                iscrowd=int(a.get("iscrowd", 0)),
            )
        )
    images = [
        dict(id=image_number[i["id"]], width=i["width"], height=i["height"], crowdIndex=i.get("crowdIndex"))
        for i in data["images"]
    ]
    names = [dict(id=numbers[c["id"]], name=c["name"], keypoints=c["keypoints"], skeleton=[]) for c in skeletal]
    return dict(images=images, annotations=annotations, categories=names)


@METRICS.register_module()
class CocoMetric(BaseMetric):
    """AP and AR over object keypoint similarity.

    Ground truth, keypoint set and sigmas are those of the data set that is evaluated. Only images that
    were predicted count; an image in which nothing was found counts as such.

    Args:
        ann_file: measure against this file instead of the data set's own.
        sigmas: K OKS constants instead of the skeleton's.
        backend: ``'hotcoco'``, ``'pycocotools'`` or ``'xtcocotools'``; they agree, the first is fastest.
        dump: write the predictions to this json file in COCO's result format.
        collect_device: where processes gather their results, ``'cpu'`` or ``'gpu'``.
        prefix: of the names in the log.
    """

    default_prefix = "coco"
    stats: tuple[str, ...] = KEYPOINT_STATS

    def __init__(
        self,
        ann_file: str | None = None,
        sigmas: Sequence[float] | None = None,
        backend: str = "hotcoco",
        dump: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix)
        load_backend(backend)
        if dump is not None and not dump.endswith(".json"):
            raise ValueError(f"dump must name a .json file, got {dump!r}")
        self.ann_file, self.sigmas, self.backend, self.dump = ann_file, sigmas, backend, dump

    def process(self, data_batch: Any, data_samples: Sequence[Instances]) -> None:
        """Keep one entry for each image."""
        for found in data_samples:
            if found.keypoints is None or found.keypoint_scores is None:
                raise ValueError(f"image {found.image_id}: CocoMetric needs keypoints, the decoder returned none")
            rows = zip(found.keypoints, found.keypoint_scores, found.scores, strict=True)
            people = [dict(keypoints=coco_keypoints(p, s), score=float(score)) for p, s, score in rows]
            self.results.append(dict(image_id=found.image_id, people=people))

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """The values of ``stats`` over all images seen."""
        logger = MMLogger.get_current_instance()
        meta = self.dataset_meta or {}
        if "skeleton" not in meta:
            raise ValueError("CocoMetric reads the keypoint set from the data set, but its metainfo has no 'skeleton'")
        skeleton = build_skeleton(meta["skeleton"])
        data = self._ground_truth(meta)
        by_image = {entry["image_id"]: entry["people"] for entry in results}
        number = {image["id"]: n for n, image in enumerate(data["images"], 1)}
        if strangers := [key for key in by_image if key not in number]:
            raise ValueError(f"predictions for images the ground truth does not have, such as {strangers[:3]}")
        detections = [(key, person) for key, people in by_image.items() for person in people]
        if self.dump:
            self._write(detections, data)
        if detections:
            found = [dict(image_id=number[key], category_id=1, **person) for key, person in detections]
            sigmas = skeleton.sigmas if self.sigmas is None else self.sigmas
            truth = _plain_ground_truth(data, len(skeleton), number)
            stats = self._evaluate(truth, found, [number[key] for key in by_image], sigmas)
        else:
            logger.warning(
                f"no instance was found in any of the {len(by_image)} images: AP is 0. Early in training this is "
                "normal; later, look at the heatmaps (tools/test.py --show-dir) and the decoder's threshold"
            )
            stats = dict.fromkeys(self.stats, 0.0)
        table = AsciiTable([list(stats), [f"{value:.4f}" for value in stats.values()]])
        people = f"{len(detections)} instances in {len(by_image)} images"
        logger.info(f"OKS over {people} ({self.backend}; -1 = no ground truth of that size)\n{table.table}")
        return stats

    def _evaluate(
        self, truth: dict[str, Any], found: list[dict[str, Any]], images: Sequence[int], sigmas: Sequence[float]
    ) -> dict[str, float]:
        """The values of ``stats`` of people found in the images of these numbers."""
        return evaluate_keypoints(truth, found, images, sigmas, self.backend)

    def _ground_truth(self, meta: dict[str, Any]) -> dict[str, Any]:
        path = self.ann_file or meta.get("ann_file")
        if path is None and "annotations" not in meta:
            raise ValueError("no ground truth: build the data set with test_mode=True, or give CocoMetric an ann_file")
        return meta["annotations"] if path is None else mmengine.load(path)

    def _write(self, detections: list[tuple[Any, dict[str, Any]]], data: dict[str, Any]) -> None:
        assert self.dump is not None
        category = next(c["id"] for c in data["categories"] if c.get("keypoints"))
        rows = [dict(image_id=key, category_id=category, **person) for key, person in detections]
        Path(self.dump).parent.mkdir(parents=True, exist_ok=True)
        mmengine.dump(rows, self.dump)
