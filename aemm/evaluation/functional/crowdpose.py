"""CrowdPose's AP: OKS over boxes instead of areas, and images split by how crowded they are."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Sequence
from typing import Any

CROWD_STATS = ("AP", "AP50", "AP75", "AR", "AR50", "AR75", "AP_easy", "AP_medium", "AP_hard")
# crowd index up to which an image is easy, and medium
EASY, MEDIUM = 0.2, 0.8


def load_xthotcoco() -> tuple[Any, Any]:
    """The ``COCO`` and ``COCOeval`` classes of xthotcoco.

    Raises:
        ImportError: it is not installed; says how to install it.
    """
    try:
        module = importlib.import_module("xthotcoco")
    except ImportError as error:
        raise ImportError(f"xthotcoco cannot be imported ({error}). Install it by: pip install xthotcoco") from error
    return module.COCO, module.COCOeval


def evaluate_crowd(
    ground_truth: dict[str, Any], results: list[dict[str, Any]], sigmas: Sequence[float]
) -> dict[str, float]:
    """OKS AP and AR of CrowdPose's protocol, at most 20 people per image.

    The size of a person in OKS is 0.53 times the area of the box.

    Args:
        ground_truth: COCO-format dict whose images have a ``crowdIndex``; every annotation with
            keypoints, num_keypoints, bbox and iscrowd.
        results: dicts of image_id, category_id, keypoints and score; not empty.
        sigmas: K positive constants.

    Returns:
        The nine numbers of ``CROWD_STATS``, the last three rounded to four digits by the protocol; -1
        where no image falls into a class.

    Reference: CrowdPose's evaluation as xtcocotools has it, ``keypoints_crowd`` with ``use_area=False``.
    """
    coco_class, eval_class = load_xthotcoco()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*kpt_oks_sigmas differ")  # they are the data set's own
        truth = coco_class(ann_data=ground_truth)
        evaluation = eval_class(truth, truth.loadRes(results), "keypoints_crowd", sigmas, use_area=False)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    stats = dict(zip(CROWD_STATS, map(float, evaluation.stats), strict=True))
    for name, images in zip(CROWD_STATS[6:], split_by_crowd(ground_truth["images"]), strict=True):
        if not images:  # the evaluator takes no images for all images
            stats[name] = -1.0
    return stats


def split_by_crowd(images: Sequence[dict[str, Any]]) -> tuple[list[Any], list[Any], list[Any]]:
    """Ids of the easy, the medium and the hard images."""
    easy = [image["id"] for image in images if image["crowdIndex"] < EASY]
    medium = [image["id"] for image in images if EASY <= image["crowdIndex"] < MEDIUM]
    return easy, medium, [image["id"] for image in images if image["crowdIndex"] >= MEDIUM]
