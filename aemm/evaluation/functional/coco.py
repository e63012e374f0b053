"""COCO's AP and AR by any of the evaluators that share its interface."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

BACKENDS = {
    "hotcoco": ("hotcoco", "hotcoco", "pip install hotcoco"),
    "pycocotools": ("pycocotools.coco", "pycocotools.cocoeval", "pip install pycocotools"),
    "xtcocotools": (
        "xtcocotools.coco",
        "xtcocotools.cocoeval",
        "pip install numpy cython 'setuptools>=77', then pip install --no-build-isolation --no-binary xtcocotools "
        "xtcocotools (Python 3.12 or older)",
    ),
}
KEYPOINT_STATS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
MASK_STATS = ("AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR100", "ARS", "ARM", "ARL")


def load_backend(name: str) -> tuple[Any, Any]:
    """The ``COCO`` and ``COCOeval`` classes of an evaluator.

    Args:
        name: ``'hotcoco'``, ``'pycocotools'`` or ``'xtcocotools'``.

    Raises:
        ValueError: there is no evaluator of that name.
        ImportError: it is not installed, or does not fit the installed numpy; says how to install it.
    """
    if name not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {name!r}")
    data, evaluation, install = BACKENDS[name]
    try:
        return importlib.import_module(data).COCO, importlib.import_module(evaluation).COCOeval
    except (ImportError, ValueError) as error:  # a wheel built against numpy 1 raises ValueError under numpy 2
        raise ImportError(f"backend {name!r} cannot be imported ({error}). Install it by: {install}") from error


def evaluate_keypoints(
    ground_truth: dict[str, Any],
    results: list[dict[str, Any]],
    image_ids: Sequence[int],
    sigmas: Sequence[float],
    backend: str = "hotcoco",
) -> dict[str, float]:
    """OKS AP and AR of COCO's protocol, at most 20 people per image.

    Args:
        ground_truth: COCO-format dict; every annotation with keypoints, num_keypoints, area, bbox and
            iscrowd.
        results: dicts of image_id, category_id, keypoints and score; not empty.
        image_ids: the images that count, also those without result.
        sigmas: K positive constants.
        backend: see :func:`load_backend`.

    Returns:
        The ten numbers of ``KEYPOINT_STATS``; -1 where no ground truth falls into a range.

    Reference: cocodataset/cocoapi PythonAPI/pycocotools/cocoeval.py.
    """
    stats = _evaluate(ground_truth, results, image_ids, backend, sigmas)
    return dict(zip(KEYPOINT_STATS, stats, strict=True))


def evaluate_masks(
    ground_truth: dict[str, Any],
    results: list[dict[str, Any]],
    image_ids: Sequence[int],
    backend: str = "hotcoco",
) -> dict[str, float]:
    """AP and AR of instance masks by COCO's protocol, at most 100 per image.

    Args:
        ground_truth: COCO-format dict; every annotation with segmentation, area, bbox and iscrowd.
        results: dicts of image_id, category_id, segmentation (run lengths) and score; not empty.
        image_ids: the images that count, also those without result.
        backend: see :func:`load_backend`.

    Returns:
        The twelve numbers of ``MASK_STATS``; -1 where no ground truth falls into a range.

    Reference: cocodataset/cocoapi PythonAPI/pycocotools/cocoeval.py.
    """
    return dict(zip(MASK_STATS, _evaluate(ground_truth, results, image_ids, backend), strict=True))


def _evaluate(
    ground_truth: dict[str, Any],
    results: list[dict[str, Any]],
    image_ids: Sequence[int],
    backend: str,
    sigmas: Sequence[float] | None = None,
) -> list[float]:
    """What the evaluator summarises: of keypoints where there are sigmas, of masks otherwise."""
    coco_class, eval_class = load_backend(backend)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*kpt_oks_sigmas differ")  # they are the data set's own
        if backend == "hotcoco":
            truth = coco_class(ground_truth)
        else:
            truth = coco_class()
            truth.dataset = ground_truth
            truth.createIndex()
        found = truth.loadRes(results)
        if sigmas is None:
            evaluation = eval_class(truth, found, "segm")
        elif backend == "xtcocotools":
            evaluation = eval_class(truth, found, "keypoints", np.asarray(sigmas))
        else:
            evaluation = eval_class(truth, found, "keypoints")
            evaluation.params.kpt_oks_sigmas = list(sigmas) if backend == "hotcoco" else np.asarray(sigmas)
        evaluation.params.imgIds = sorted(image_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]
