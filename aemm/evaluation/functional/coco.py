"""COCO's AP and AR by any of the evaluators that share its interface."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from aemm.ops.masks import mask_areas
from aemm.records import DatasetInfo, Instances, Truth, coco_points

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


def keypoint_dicts(
    pairs: Sequence[tuple[Truth, Instances]], info: DatasetInfo
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Truth and predictions of keypoints as the evaluators take them; images are counted from 1.

    Args:
        pairs: one of each image.
        info: of the data set; all its objects count as one category.

    Returns:
        COCO-format ground truth, and results.
    """
    numbered = list(enumerate(pairs, 1))
    images = [
        dict(id=number, width=truth.image_size[1], height=truth.image_size[0], crowdIndex=truth.crowd_index)
        for number, (truth, _) in numbered
    ]
    annotations = _true_people([(number, truth) for number, (truth, _) in numbered if len(truth)])
    results = _found_people([(number, found) for number, (_, found) in numbered if len(found)])
    names = list(info.need_skeleton("OKS").keypoints)
    category = dict(id=1, name=next(iter(info.classes), "person"), keypoints=names, skeleton=[])
    return dict(images=images, annotations=annotations, categories=[category]), results


def _rows(flat: np.ndarray) -> list[memoryview]:
    """Rows ``(A, 3 K) float64`` as the evaluators take them for lists, at a tenth of the memory."""
    whole: memoryview = np.ascontiguousarray(flat).reshape(-1).data
    length = flat.shape[1]
    return [whole[at : at + length] for at in range(0, len(whole), length)]


def _image_numbers(counted: Sequence[tuple[int, Truth | Instances]]) -> list[int]:
    """The number of each one's image."""
    return np.repeat([number for number, _ in counted], [len(record) for _, record in counted]).tolist()


def _found_people(counted: Sequence[tuple[int, Instances]]) -> list[dict[str, Any]]:
    """Results of numbered images, none of them empty."""
    if not counted:
        return []
    parts = [found.need_keypoints() for _, found in counted]
    flat = coco_points(np.concatenate([p for p, _ in parts]), np.concatenate([s for _, s in parts]))
    scores = np.concatenate([found.scores for _, found in counted]).tolist()
    return [
        dict(image_id=number, category_id=1, keypoints=row, score=score)
        for number, row, score in zip(_image_numbers(counted), _rows(flat), scores, strict=True)
    ]


def _true_people(counted: Sequence[tuple[int, Truth]]) -> list[dict[str, Any]]:
    """Annotations of numbered images, none of them empty."""
    if not counted:
        return []
    truths = [truth for _, truth in counted]
    keypoints, visible = (np.concatenate(parts) for parts in zip(*(t.need_keypoints() for t in truths), strict=True))
    boxes = _true_boxes(truths)
    areas = [np.full(len(truth), np.nan) if truth.area is None else truth.area for truth in truths]
    area = np.concatenate(areas).astype(float)
    area = np.where(np.isnan(area), boxes[:, 2] * boxes[:, 3], area)
    crowd = np.concatenate([np.zeros(len(t), bool) if t.crowd is None else t.crowd for t in truths]).astype(int)
    flat = np.concatenate([keypoints, visible[..., None]], axis=2, dtype=float).reshape(len(visible), -1)
    columns = (column.tolist() for column in ((visible > 0).sum(1), area, boxes, crowd))
    return [
        dict(
            id=number,
            image_id=image,
            category_id=1,
            keypoints=row,
            num_keypoints=seen,
            area=size,
            bbox=box,
            iscrowd=many,
        )
        for number, (image, row, seen, size, box, many) in enumerate(
            zip(_image_numbers(counted), _rows(flat), *columns, strict=True), 1
        )
    ]


def _true_boxes(truths: Sequence[Truth]) -> np.ndarray:
    """Boxes ``(A, 4)`` of all as x, y, width, height; those of the keypoints where the truth has none."""
    boxes = np.concatenate([_keypoint_boxes(truth) if truth.boxes is None else truth.boxes for truth in truths])
    boxes = boxes.astype(float)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes


def _keypoint_boxes(truth: Truth) -> np.ndarray:
    """Boxes ``(N, 4)`` xyxy around the annotated keypoints, 0 where there are none."""
    keypoints, visible = truth.need_keypoints()
    boxes = np.zeros((len(keypoints), 4))
    for box, points, seen in zip(boxes, keypoints, visible > 0, strict=True):
        if seen.any():
            box[:2], box[2:] = points[seen].min(0), points[seen].max(0)
    return boxes


def mask_dicts(
    pairs: Sequence[tuple[Truth, Instances]], info: DatasetInfo
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Truth and predictions of masks as the evaluators take them; images and classes are counted from 1.

    Args:
        pairs: one of each image.
        info: of the data set.

    Returns:
        COCO-format ground truth, and results.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number, (truth, found) in enumerate(pairs, 1):
        height, width = truth.image_size
        images.append(dict(id=number, height=height, width=width))
        masks, labels = truth.need_masks()
        areas = mask_areas(masks) if truth.area is None else truth.area
        crowd = np.zeros(len(masks), bool) if truth.crowd is None else truth.crowd
        for mask, label, area, many in zip(masks, labels.tolist(), areas.tolist(), crowd.tolist(), strict=True):
            row = dict(image_id=number, category_id=label + 1, segmentation=mask, area=float(area), iscrowd=int(many))
            annotations.append(dict(id=len(annotations) + 1, bbox=[0.0] * 4, **row))
        own, classes = found.need_masks()
        for mask, label, score in zip(own, classes.tolist(), found.scores.tolist(), strict=True):
            results.append(dict(image_id=number, category_id=label + 1, segmentation=mask, score=score))
    names = [dict(id=label, name=name) for label, name in enumerate(info.classes, 1)]
    return dict(images=images, annotations=annotations, categories=names), results


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
