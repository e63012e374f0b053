"""A metric of one's own, outside the package: how many people are counted wrongly."""

from collections.abc import Sequence

import numpy as np

from aemm.evaluation.pairs import Pair, PairMetric
from aemm.records import Instances, Truth
from aemm.registry import METRICS


@METRICS.register_module()
class CountMetric(PairMetric):
    """Mean difference between the number of people found and the true one, ``count/error`` in the log."""

    default_prefix = "count"

    def __init__(self, least_score: float = 0.3, prefix: str | None = None, collect_dir: str | None = None) -> None:
        super().__init__(prefix, collect_dir)
        self.least_score = least_score

    def check(self, truth: Truth, found: Instances) -> None:
        truth.need_keypoints()  # raises where the truth of an image has none

    def measure(self, pairs: Sequence[Pair]) -> dict[str, float]:
        known = [(truth.need_keypoints()[1] > 0).any(1).sum() for truth, _ in pairs]
        counted = [(found.scores >= self.least_score).sum() for _, found in pairs]
        return {"error": float(np.abs(np.subtract(counted, known)).mean())}
