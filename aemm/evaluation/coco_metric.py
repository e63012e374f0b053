"""OKS AP of COCO-format keypoint data."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.logging import MMLogger
from terminaltables import AsciiTable

from aemm.evaluation.functional.coco import KEYPOINT_STATS, evaluate_keypoints, keypoint_dicts, load_backend
from aemm.evaluation.pairs import Pair, PairMetric
from aemm.records import Instances, Truth
from aemm.registry import METRICS


@METRICS.register_module()
class CocoMetric(PairMetric):
    """AP and AR over object keypoint similarity.

    Keypoint set and sigmas are those of the data set that is evaluated. Only images that were predicted
    count; an image in which nothing was found counts as such.

    Args:
        sigmas: K OKS constants instead of the skeleton's.
        backend: ``'hotcoco'``, ``'pycocotools'`` or ``'xtcocotools'``; they agree, the first is fastest.
        prefix: of the names in the log.
        collect_dir: see :class:`~aemm.evaluation.pairs.PairMetric`.
    """

    default_prefix = "coco"
    stats: tuple[str, ...] = KEYPOINT_STATS

    def __init__(
        self,
        sigmas: Sequence[float] | None = None,
        backend: str = "hotcoco",
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(prefix, collect_dir)
        load_backend(backend)
        self.sigmas, self.backend = sigmas, backend

    def check(self, truth: Truth, found: Instances) -> None:
        """Raise ``ValueError`` unless both sides have keypoints of the data set's number."""
        count = len(self.info.need_skeleton(type(self).__name__))
        for keypoints, _ in (truth.need_keypoints(), found.need_keypoints()):
            if len(keypoints) and keypoints.shape[1] != count:
                raise ValueError(
                    f"image {found.image_id}: expected {count} keypoints, as the skeleton of the data set has, got "
                    f"{keypoints.shape[1]}; do decoder and data set name the same skeleton?"
                )

    def measure(self, pairs: Sequence[Pair]) -> dict[str, float]:
        """The values of ``stats`` over all images seen."""
        logger = MMLogger.get_current_instance()
        count = sum(len(found) for _, found in pairs)
        if count:
            stats = self.evaluate_pairs(pairs)
        else:
            logger.warning(
                f"no instance was found in any of the {len(pairs)} images: AP is 0. Early in training this is "
                "normal; later, look at the heatmaps (tools/test.py --show-dir) and the decoder's threshold"
            )
            stats = dict.fromkeys(self.stats, 0.0)
        table = AsciiTable([list(stats), [f"{value:.4f}" for value in stats.values()]])
        people = f"{count} instances in {len(pairs)} images"
        logger.info(f"OKS over {people} ({self.backend}; -1 = no ground truth of that size)\n{table.table}")
        return stats

    def evaluate_pairs(self, pairs: Sequence[Pair]) -> dict[str, float]:
        """The values of ``stats`` where somebody was found."""
        truth, found = keypoint_dicts(pairs, self.info)
        return evaluate_keypoints(truth, found, range(1, len(pairs) + 1), self.sigmas_in_use(), self.backend)

    def sigmas_in_use(self) -> Sequence[float]:
        """K OKS constants.

        Raises:
            ValueError: ``sigmas`` has another number of them.
        """
        skeleton = self.info.need_skeleton(type(self).__name__)
        if self.sigmas is None:
            return skeleton.sigmas
        if len(self.sigmas) != len(skeleton) or not all(sigma > 0 for sigma in self.sigmas):
            raise ValueError(
                f"sigmas must be {len(skeleton)} positive numbers, one for each keypoint of skeleton "
                f"{skeleton.name!r}, got {list(self.sigmas)}"
            )
        return self.sigmas
