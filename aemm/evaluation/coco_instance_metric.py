"""COCO's AP and AR of instance masks."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.logging import MMLogger
from terminaltables import AsciiTable

from aemm.evaluation.functional.coco import MASK_STATS, evaluate_masks, load_backend, mask_dicts
from aemm.evaluation.pairs import Pair, PairMetric
from aemm.records import DatasetInfo, Instances, Truth
from aemm.registry import METRICS


def check_labels(info: DatasetInfo, found: Instances, who: str) -> None:
    """Raise ``ValueError`` unless ``found`` has masks, and every label is one of the evaluated classes.

    Args:
        info: of the data set.
        found: in one image.
        who: asks, for the message.
    """
    if not info.classes:
        raise ValueError(f"{who} needs the classes of the data set, but {info.name or 'its DatasetInfo'} has none")
    labels = found.need_masks()[1].tolist()
    if wrong := sorted({label for label in labels if not 0 <= label < len(info.classes)}):
        raise ValueError(
            f"image {found.image_id}: labels must be in 0..{len(info.classes) - 1}, the classes of the data set, got "
            f"{wrong[:5]}; has the model as many heatmaps as the data set has classes?"
        )


@METRICS.register_module()
class CocoInstanceMetric(PairMetric):
    """AP and AR over the overlap of masks, by the evaluators that also measure keypoints.

    Classes are those of the data set that is evaluated. Only images that were predicted count.

    Args:
        backend: ``'hotcoco'``, ``'pycocotools'`` or ``'xtcocotools'``; they agree, the first is fastest.
        prefix: of the names in the log.
        collect_dir: see :class:`~aemm.evaluation.pairs.PairMetric`.
    """

    default_prefix = "segm"
    stats: tuple[str, ...] = MASK_STATS

    def __init__(self, backend: str = "hotcoco", prefix: str | None = None, collect_dir: str | None = None) -> None:
        super().__init__(prefix, collect_dir)
        load_backend(backend)
        self.backend = backend

    def check(self, truth: Truth, found: Instances) -> None:
        """Raise ``ValueError`` unless both sides have masks of the data set's classes."""
        truth.need_masks()
        check_labels(self.info, found, type(self).__name__)

    def measure(self, pairs: Sequence[Pair]) -> dict[str, float]:
        """AP, AP50, AP75, APS, APM, APL, AR1, AR10, AR100, ARS, ARM, ARL over all images seen."""
        logger = MMLogger.get_current_instance()
        count = sum(len(found) for _, found in pairs)
        if count:
            truth, found = mask_dicts(pairs, self.info)
            stats = evaluate_masks(truth, found, range(1, len(pairs) + 1), self.backend)
        else:
            logger.warning(
                f"no instance was found in any of the {len(pairs)} images: AP is 0. Early in training this is "
                "normal; later, look at the heatmaps and at the decoder's threshold and min_cells"
            )
            stats = dict.fromkeys(self.stats, 0.0)
        table = AsciiTable([list(stats), [f"{value:.4f}" for value in stats.values()]])
        logger.info(
            f"mask AP over {count} instances in {len(pairs)} images ({self.backend}; -1 = no ground truth of "
            f"that size)\n{table.table}"
        )
        return stats
