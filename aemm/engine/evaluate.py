"""Metrics without a model: of predictions that were saved, or that something else made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.evaluator import BaseMetric

from aemm.datasets.base import SampleDataset
from aemm.engine.config_check import ConfigError
from aemm.engine.config_training import evaluator_metrics
from aemm.evaluation.pairs import PairMetric
from aemm.formats.coco_found import SoughtImage
from aemm.formats.mpii_mat import MPII, read_submission
from aemm.formats.results import read_results
from aemm.records import DatasetInfo, Instances, Truth
from aemm.registry import DATASETS, METRICS
from aemm.skeletons import Skeleton


def build_metrics(evaluator: Any, info: DatasetInfo) -> list[BaseMetric]:
    """The metrics of a config's evaluator: one, a list of them, or an evaluator with ``metrics``.

    Args:
        evaluator: as it stands in the config.
        info: of the data set.
    """
    metrics = [METRICS.build(node) for _, node in evaluator_metrics(evaluator, "test_evaluator")]
    for metric in metrics:
        metric.dataset_meta = info
    return metrics


def figures_of(metrics: Sequence[BaseMetric], count: int) -> dict[str, float]:
    """The figures of all metrics over ``count`` images.

    Raises:
        ValueError: two give a figure of the same name.
    """
    figures: dict[str, float] = {}
    for metric in metrics:
        new = metric.evaluate(count)
        if twice := sorted(figures.keys() & new.keys()):
            raise ValueError(f"two metrics of test_evaluator give {twice[0]!r}; give one of them another prefix")
        figures |= new
    return figures


def evaluate_results(cfg: Config, path: str) -> dict[str, float]:
    """The figures of a file of predictions, those that a test of the model that made them gives.

    Args:
        cfg: a checked config; its test data and its evaluator are used, and no image is read that is not needed.
        path: of the file that ``aemm test --dump`` wrote: ``.mat`` for a submission to MPII, else COCO's results; or of
            the COCO file that ``aemm predict --json NAME.coco.json`` wrote of the same images.

    Returns:
        By name; empty where the labels are withheld.

    Raises:
        AnnotationError: the file, or one of the data set, holds other things.
        ConfigError: the data set or a metric cannot do without a model.
        ValueError: the predictions are of other images or keypoints.
    """
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    if not hasattr(dataset, "truth"):
        raise ConfigError(f"test_dataloader.dataset: a {type(dataset).__name__} tells no truth without its images")
    if not dataset.test_mode:
        raise ConfigError("test_dataloader.dataset: needs test_mode=True; without it images are left out")
    metrics = build_metrics(cfg.test_evaluator, dataset.metainfo)
    if strangers := [type(metric).__name__ for metric in metrics if not isinstance(metric, PairMetric)]:
        raise ConfigError(f"test_evaluator: {', '.join(strangers)} may read what saved predictions do not hold")
    truths: list[Truth] = [dataset.truth(index) for index in range(len(dataset))]
    if path.lower().endswith(".mat"):
        found = _of_submission(path, truths, dataset.metainfo.need_skeleton("a submission to MPII"))
    else:
        sizes = [(truth.image_id, truth.image_size) for truth in truths]
        found = read_results(path, sizes, dataset.metainfo, _files_of(dataset, truths))
    for metric in metrics:
        for truth, image in zip(truths, found, strict=True):
            metric.add(truth, image)
    return figures_of(metrics, len(truths))


def _files_of(dataset: Any, truths: Sequence[Truth]) -> list[SoughtImage] | None:
    """The files of the images that are evaluated; None where these are no images of annotation files, but groups."""
    file = dataset.annotation_file if isinstance(dataset, SampleDataset) else None
    entries = {(one.source.path, one.image_id): one for one in (file.images if file else ())}
    keys = [(truth.part, truth.image_id) for truth in truths]
    if not all(key in entries for key in keys):
        return None
    found = [entries[key] for key in keys]
    return [SoughtImage(one.image_id, one.size, one.source.folder.path, one.file_name) for one in found]


def _of_submission(path: str, truths: Sequence[Truth], skeleton: Skeleton) -> list[Instances]:
    """The predictions of a submission, keypoints as the skeleton has them.

    Raises:
        ValueError: it is of another number of groups.
    """
    groups = read_submission(path)
    if len(groups) != len(truths):
        raise ValueError(
            f"{path} holds predictions for {len(groups)} groups, but the data set has {len(truths)}; expected one "
            "entry for each, in the order of the data set"
        )
    columns = [(k, MPII.keypoints.index(name)) for k, name in enumerate(skeleton.keypoints) if name in MPII.keypoints]
    own, theirs = [k for k, _ in columns], [k for _, k in columns]
    found = []
    for truth, group in zip(truths, groups, strict=True):
        given, given_scores = group.need_keypoints()
        keypoints = np.zeros((len(group), len(skeleton), 2))
        scores = np.zeros((len(group), len(skeleton)))
        keypoints[:, own], scores[:, own] = given[:, theirs], given_scores[:, theirs]
        found.append(
            Instances(truth.image_id, truth.image_size, group.scores, keypoints=keypoints, keypoint_scores=scores)
        )
    return found
