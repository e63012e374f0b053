"""More of COCO's evaluation than its averages: curves, sizes, subsets of images, and the kinds of errors."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aemm.evaluation.functional.coco import load_backend

THRESHOLDS = tuple(n / 100 for n in range(50, 100, 5))  # of OKS or IoU, over which COCO's AP is a mean
RECALLS = tuple(n / 100 for n in range(101))
TIDE_KINDS = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")


@dataclass(frozen=True)
class CocoAnalysis:
    """What an evaluation by COCO's protocol tells; T thresholds, R recalls.

    Attributes:
        precision: ``(T, R)`` mean over the classes that occur, at :data:`THRESHOLDS` and :data:`RECALLS`.
        by_area: AP of each range of areas; NaN where nothing falls into it.
        by_images: AP of each subset of the images; NaN where there is nothing to find.
        tide: how much AP at 0.5 each kind of error costs, see :func:`analyse`.
        tide_counts: how often each kind occurs.
    """

    precision: np.ndarray
    by_area: dict[str, float] = field(default_factory=dict)
    by_images: dict[str, float] = field(default_factory=dict)
    tide: dict[str, float] = field(default_factory=dict)
    tide_counts: dict[str, int] = field(default_factory=dict)

    @property
    def ap(self) -> float:
        """COCO's AP."""
        return float(self.precision.mean())


def analyse(
    ground_truth: dict[str, Any],
    results: list[dict[str, Any]],
    sigmas: Sequence[float] | None = None,
    areas: Mapping[str, tuple[float, float]] | None = None,
    images: Mapping[str, Sequence[int]] | None = None,
) -> CocoAnalysis:
    """Evaluate by COCO's protocol, and keep what its averages hide.

    The kinds of errors are those of TIDE, by the similarity that is measured: the wrong class, badly located, both, a
    duplicate, background, and missed. Each costs what AP at a similarity of 0.5 would gain without it.

    Args:
        ground_truth: COCO-format dict, see :func:`aemm.evaluation.functional.coco.evaluate_keypoints`.
        results: dicts of image_id, category_id, score and keypoints or segmentation.
        sigmas: K OKS constants; None measures masks.
        areas: ranges of the areas of true instances, square pixels, by name.
        images: subsets of the images by name.

    Reference: Bolya et al., TIDE: a general toolbox for identifying object detection errors (ECCV 2020).
    """
    areas, images = areas or {}, images or {}
    if not results:
        return _nothing_found(ground_truth, areas, images)
    evaluation = _evaluation(ground_truth, results, sigmas, areas)
    precision = np.where(evaluation.eval["precision"] < 0, np.nan, evaluation.eval["precision"])[
        ..., -1
    ]  # (T, R, C, A)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means of nothing are NaN, as they should be
        curves = np.nanmean(precision, axis=2)  # (T, R, A)
    by_area = {name: float(curves[..., n].mean()) for n, name in enumerate(areas, 1)}
    subsets = {name: list(ids) for name, ids in images.items() if len(ids)}
    sliced = evaluation.slice_by(subsets) if subsets else {}
    by_images = {name: float(sliced[name]["AP"]) if name in sliced else -1.0 for name in images}
    tide = evaluation.tide_errors(pos_thr=0.5, bg_thr=0.1)
    return CocoAnalysis(
        precision=np.nan_to_num(curves[..., 0]),
        by_area=by_area,
        by_images={name: value if value >= 0 else float("nan") for name, value in by_images.items()},
        tide={kind: float(tide["delta_ap"][kind]) for kind in TIDE_KINDS},
        tide_counts={kind: int(tide["counts"][kind]) for kind in TIDE_KINDS},
    )


def _evaluation(
    ground_truth: dict[str, Any],
    results: list[dict[str, Any]],
    sigmas: Sequence[float] | None,
    areas: Mapping[str, tuple[float, float]],
) -> Any:
    """An evaluation by hotcoco, whose first range of areas is all."""
    coco_class, eval_class = load_backend("hotcoco")
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="hotcoco: ")  # that sigmas and ranges are not COCO's is intended
        truth = coco_class(ground_truth)
        evaluation = eval_class(truth, truth.loadRes(results), "segm" if sigmas is None else "keypoints")
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = list(sigmas)
        evaluation.params.imgIds = sorted(image["id"] for image in ground_truth["images"])
        evaluation.params.areaRng = [[0.0, 1e10], *([float(low), float(high)] for low, high in areas.values())]
        evaluation.params.areaRngLbl = ["all", *areas]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _nothing_found(ground_truth: dict[str, Any], areas: Mapping[str, Any], images: Mapping[str, Any]) -> CocoAnalysis:
    """The analysis where there is no result at all: everything is missed."""
    people = [one for one in ground_truth["annotations"] if not one["iscrowd"] and one.get("num_keypoints", 1)]
    kinds = dict.fromkeys(TIDE_KINDS, 0)
    return CocoAnalysis(
        precision=np.zeros((len(THRESHOLDS), len(RECALLS))),
        by_area=dict.fromkeys(areas, 0.0),
        by_images=dict.fromkeys(images, 0.0),
        tide={**kinds, "Miss": 1.0 if people else 0.0},
        tide_counts={**kinds, "Miss": len(people)},
    )
