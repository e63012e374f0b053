"""OKS AP of CrowdPose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aemm.evaluation.coco_metric import CocoMetric
from aemm.evaluation.functional.crowdpose import CROWD_STATS, evaluate_crowd, load_xthotcoco
from aemm.registry import METRICS


@METRICS.register_module()
class CrowdPoseMetric(CocoMetric):
    """AP and AR as CrowdPose measures them: AP, AP50, AP75, AR, AR50, AR75 and AP by crowdedness.

    Ground truth, keypoint set and sigmas are those of the data set that is evaluated. Only images that
    were predicted count. Needs the package xthotcoco.

    Args:
        ann_file: measure against this file instead of the data set's own.
        sigmas: K OKS constants instead of the skeleton's.
        dump: write the predictions to this json file in COCO's result format.
        collect_device: where processes gather their results, ``'cpu'`` or ``'gpu'``.
        prefix: of the names in the log.
    """

    default_prefix = "crowdpose"
    stats = CROWD_STATS

    def __init__(
        self,
        ann_file: str | None = None,
        sigmas: Sequence[float] | None = None,
        dump: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(ann_file, sigmas, "hotcoco", dump, collect_device, prefix)
        load_xthotcoco()

    def _evaluate(
        self, truth: dict[str, Any], found: list[dict[str, Any]], images: Sequence[int], sigmas: Sequence[float]
    ) -> dict[str, float]:
        wanted = set(images)
        truth = truth | dict(
            images=[image for image in truth["images"] if image["id"] in wanted],
            annotations=[person for person in truth["annotations"] if person["image_id"] in wanted],
        )
        if lacking := [image["id"] for image in truth["images"] if image["crowdIndex"] is None]:
            raise ValueError(
                f"{len(lacking)} images of the ground truth have no crowdIndex, a number of 0 to 1; is it CrowdPose's "
                "json file? Without it CocoMetric can be used"
            )
        return evaluate_crowd(truth, found, sigmas)
