"""AP^r of instance masks, as the literature on PASCAL VOC reports it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from terminaltables import AsciiTable

from aemm.evaluation.functional.mask_ap import VOL_THRESHOLDS, ApForm, FoundMasks, TrueMasks, mask_ap
from aemm.evaluation.instance_truth import (
    InstanceTruth,
    annotation_mask,
    by_image,
    check_dump,
    check_found,
    check_labels,
    read_truth,
    write_masks,
)
from aemm.ops.masks import mask_areas
from aemm.registry import METRICS
from aemm.structures import Instances

VoidPixels = Literal["count", "exclude"]


@METRICS.register_module()
class VocInstanceMetric(BaseMetric):
    """AP^r at any IoU and AP^r_vol, the mean over IoU 0.1 to 0.9; every value is a mean over classes.

    Ground truth and classes are those of the data set that is evaluated. Only images that were
    predicted count. Crowds need not be found.

    Args:
        thresholds: IoUs of which AP^r is reported besides AP^r_vol; 0.5 becomes ``apr_50``.
        form: ``'area'``, or ``'11point'`` as VOC did until 2009.
        void: whether pixels marked void ``'count'`` like any others, or are left out of intersection and
            union (``'exclude'``). A predicted mask may reach into them without harm then.
        min_area: instances of fewer pixels need not be found, and finding them does no harm.
        ann_file: measure against this COCO-format file instead of the data set's own ground truth.
        dump: write the predictions to this json file in COCO's result format.
        collect_device: where processes gather their results, ``'cpu'`` or ``'gpu'``.
        prefix: of the names in the log.

    Raises:
        ValueError: an argument is out of range.
    """

    default_prefix = "voc"

    def __init__(
        self,
        thresholds: Sequence[float] = (0.5, 0.7),
        form: ApForm = "area",
        void: VoidPixels = "count",
        min_area: float = 0.0,
        ann_file: str | None = None,
        dump: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix)
        if form not in ("area", "11point"):
            raise ValueError(f"form must be 'area' or '11point', got {form!r}")
        if void not in ("count", "exclude"):
            raise ValueError(f"void must be 'count' or 'exclude', got {void!r}")
        if not all(0 < level <= 1 for level in thresholds):
            raise ValueError(f"thresholds must be IoUs in (0, 1], got {list(thresholds)}")
        self.thresholds, self.form, self.void = tuple(thresholds), form, void
        check_dump(dump)
        self.min_area, self.ann_file, self.dump = min_area, ann_file, dump

    def process(self, data_batch: Any, data_samples: Sequence[Instances]) -> None:
        """Keep one entry for each image."""
        for found in data_samples:
            check_found(found, "VocInstanceMetric")
            entry = dict(image_id=found.image_id, masks=found.masks, labels=found.labels, scores=found.scores)
            self.results.append(entry)

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """``apr_50``, ``apr_70`` (or what ``thresholds`` says) and ``apr_vol`` over all images seen."""
        truth = read_truth(self.dataset_meta, self.ann_file, "VocInstanceMetric")
        entries = by_image(results, truth.data)
        real = self._true_masks(truth, list(entries))
        found = [FoundMasks(entry["masks"], np.asarray(entry["labels"]), entry["scores"]) for entry in entries.values()]
        check_labels([label for f in found for label in f.labels.tolist()], truth)
        if self.dump:
            rows = [
                (key, mask, int(label), float(score))
                for key, f in zip(entries, found, strict=True)
                for mask, label, score in zip(*f, strict=True)
            ]
            write_masks(self.dump, rows, truth)
        levels = sorted({*self.thresholds, *VOL_THRESHOLDS})
        table = mask_ap(found, real, len(truth.classes), levels, self.form)  # (S, C)
        seen = ~np.isnan(table).all(0)
        means = table[:, seen].mean(1) if seen.any() else np.zeros(len(levels))
        stats = {f"apr_{100 * level:g}": float(means[levels.index(level)]) for level in self.thresholds}
        stats["apr_vol"] = float(means[[levels.index(level) for level in VOL_THRESHOLDS]].mean())
        self._report(truth, table, levels, stats, sum(len(f.masks) for f in found), len(found))
        return stats

    def _true_masks(self, truth: InstanceTruth, image_ids: Sequence[Any]) -> list[TrueMasks]:
        """Instances of the evaluated classes, image by image."""
        label_of = {key: label for label, key in enumerate(truth.category_ids)}
        images = {image["id"]: image for image in truth.data["images"]}
        rows: dict[Any, list[dict[str, Any]]] = {key: [] for key in image_ids}
        for annotation in truth.data["annotations"]:
            if annotation["image_id"] in rows and annotation["category_id"] in label_of:
                rows[annotation["image_id"]].append(annotation)
        real = []
        for key, own in rows.items():
            image = images[key]
            masks = [annotation_mask(a, (image["height"], image["width"])) for a in own]
            labels = np.array([label_of[a["category_id"]] for a in own], np.int64)
            crowd = np.array([bool(a.get("iscrowd")) for a in own], bool)
            ignore = crowd | (mask_areas(masks) < self.min_area)
            real.append(TrueMasks(masks, labels, ignore, image.get("void") if self.void == "exclude" else None))
        return real

    def _report(
        self,
        truth: InstanceTruth,
        table: np.ndarray,
        levels: Sequence[float],
        stats: dict[str, float],
        found: int,
        images: int,
    ) -> None:
        """Log a table of the classes that occur."""
        logger = MMLogger.get_current_instance()
        if not found:
            logger.warning(
                f"no instance was found in any of the {images} images: AP^r is 0. Early in training this is normal; "
                "later, look at the heatmaps and at the decoder's threshold and min_cells"
            )
        rows = [["class", *stats]]
        shown = [[levels.index(level)] for level in self.thresholds]
        shown.append([levels.index(level) for level in VOL_THRESHOLDS])
        for label, name in enumerate(truth.classes):
            if not np.isnan(table[:, label]).all():
                rows.append([name, *(f"{table[at, label].mean():.4f}" for at in shown)])
        rows.append(["mean", *(f"{value:.4f}" for value in stats.values())])
        logger.info(f"AP^r ({self.form}) of {found} masks in {images} images\n{AsciiTable(rows).table}")
