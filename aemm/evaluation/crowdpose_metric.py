"""OKS AP of CrowdPose."""

from __future__ import annotations

from collections.abc import Sequence

from aemm.evaluation.coco_metric import CocoMetric
from aemm.evaluation.functional.coco import keypoint_dicts
from aemm.evaluation.functional.crowdpose import CROWD_STATS, evaluate_crowd, load_xthotcoco
from aemm.evaluation.pairs import Pair
from aemm.records import Instances, Truth
from aemm.registry import METRICS


@METRICS.register_module()
class CrowdPoseMetric(CocoMetric):
    """AP and AR as CrowdPose measures them: AP, AP50, AP75, AR, AR50, AR75 and AP by crowdedness.

    Keypoint set and sigmas are those of the data set that is evaluated. Only images that were predicted
    count. Needs the package xthotcoco.

    Args:
        sigmas: K OKS constants instead of the skeleton's.
        prefix: of the names in the log.
        collect_dir: see :class:`~aemm.evaluation.pairs.PairMetric`.
    """

    default_prefix = "crowdpose"
    stats = CROWD_STATS

    def __init__(
        self, sigmas: Sequence[float] | None = None, prefix: str | None = None, collect_dir: str | None = None
    ) -> None:
        super().__init__(sigmas, "hotcoco", prefix, collect_dir)
        load_xthotcoco()

    def check(self, truth: Truth, found: Instances) -> None:
        """As of :class:`CocoMetric`; the image also needs a crowd index."""
        super().check(truth, found)
        if truth.crowd_index is None:
            raise ValueError(
                f"image {truth.image_id} of the ground truth has no crowdIndex, a number of 0 to 1; is it CrowdPose's "
                "json file? Without it CocoMetric can be used"
            )

    def evaluate_pairs(self, pairs: Sequence[Pair]) -> dict[str, float]:
        """The values of ``stats`` where somebody was found."""
        truth, found = keypoint_dicts(pairs, self.info)
        return evaluate_crowd(truth, found, self.sigmas_in_use())
