"""AP^r of instance masks, as the literature on PASCAL VOC reports it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from mmengine.logging import MMLogger
from terminaltables import AsciiTable

from aemm.evaluation.coco_instance_metric import check_labels
from aemm.evaluation.functional.mask_ap import VOL_THRESHOLDS, ApForm, FoundMasks, TrueMasks, mask_ap
from aemm.evaluation.pairs import Pair, PairMetric
from aemm.ops.masks import mask_areas
from aemm.records import Instances, Truth
from aemm.registry import METRICS

VoidPixels = Literal["count", "exclude"]


@METRICS.register_module()
class VocInstanceMetric(PairMetric):
    """AP^r at any IoU and AP^r_vol, the mean over IoU 0.1 to 0.9; every value is a mean over classes.

    Classes are those of the data set that is evaluated. Only images that were
    predicted count. Crowds need not be found.

    Args:
        thresholds: IoUs of which AP^r is reported besides AP^r_vol; 0.5 becomes ``apr_50``.
        form: ``'area'``, or ``'11point'`` as VOC did until 2009.
        void: whether pixels marked void ``'count'`` like any others, or are left out of intersection and
            union (``'exclude'``). A predicted mask may reach into them without harm then.
        min_area: instances of fewer pixels need not be found, and finding them does no harm.
        prefix: of the names in the log.
        collect_dir: see :class:`~aemm.evaluation.pairs.PairMetric`.

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
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(prefix, collect_dir)
        if form not in ("area", "11point"):
            raise ValueError(f"form must be 'area' or '11point', got {form!r}")
        if void not in ("count", "exclude"):
            raise ValueError(f"void must be 'count' or 'exclude', got {void!r}")
        if not all(0 < level <= 1 for level in thresholds):
            raise ValueError(f"thresholds must be IoUs in (0, 1], got {list(thresholds)}")
        self.thresholds = tuple(thresholds)
        self.form = form
        self.void = void
        self.min_area = min_area
        self.stats = (*(f"apr_{100 * level:g}" for level in thresholds), "apr_vol")

    def check(self, truth: Truth, found: Instances) -> None:
        """Raise ``ValueError`` unless both sides have masks of the data set's classes."""
        truth.need_masks()
        check_labels(self.info, found, type(self).__name__)

    def measure(self, pairs: Sequence[Pair]) -> dict[str, float]:
        """``apr_50``, ``apr_70`` (or what ``thresholds`` says) and ``apr_vol`` over all images seen."""
        real = [self._true_masks(truth) for truth, _ in pairs]
        found = [FoundMasks(*image.need_masks(), image.scores) for _, image in pairs]
        levels = sorted({*self.thresholds, *VOL_THRESHOLDS})
        table = mask_ap(found, real, len(self.info.classes), levels, self.form)  # (S, C)
        seen = ~np.isnan(table).all(0)
        means = table[:, seen].mean(1) if seen.any() else np.zeros(len(levels))
        values = [means[levels.index(level)] for level in self.thresholds]
        values.append(means[[levels.index(level) for level in VOL_THRESHOLDS]].mean())
        stats = dict(zip(self.stats, map(float, values), strict=True))
        self._report(table, levels, stats, [len(image) for _, image in pairs])
        return stats

    def _true_masks(self, truth: Truth) -> TrueMasks:
        """The instances of one image, with those that need not be found."""
        masks, labels = truth.need_masks()
        crowd = np.zeros(len(masks), bool) if truth.crowd is None else truth.crowd
        ignore = crowd | (mask_areas(masks) < self.min_area)
        return TrueMasks(masks, labels, ignore, truth.void if self.void == "exclude" else None)

    def _report(
        self, table: np.ndarray, levels: Sequence[float], stats: dict[str, float], counts: Sequence[int]
    ) -> None:
        """Log a table of the classes that occur; ``counts`` are the instances found in each image."""
        logger = MMLogger.get_current_instance()
        if not any(counts):
            logger.warning(
                f"no instance was found in any of the {len(counts)} images: AP^r is 0. Early in training this is "
                "normal; later, look at the heatmaps and at the decoder's threshold and min_cells"
            )
        rows = [["class", *stats]]
        shown = [[levels.index(level)] for level in self.thresholds]
        shown.append([levels.index(level) for level in VOL_THRESHOLDS])
        for label, name in enumerate(self.info.classes):
            if not np.isnan(table[:, label]).all():
                rows.append([name, *(f"{table[at, label].mean():.4f}" for at in shown)])
        rows.append(["mean", *(f"{value:.4f}" for value in stats.values())])
        logger.info(f"AP^r ({self.form}) of {sum(counts)} masks in {len(counts)} images\n{AsciiTable(rows).table}")
