"""A metric that has no trend, and a network that draws random numbers while it trains."""

from mmengine.evaluator import BaseMetric
from torch import nn

from aemm.models.backbones import HourglassAE
from aemm.registry import METRICS, MODELS


@MODELS.register_module()
class HourglassWithDropout(HourglassAE):
    """The hourglass, with dropout behind its first layers, so that a resume must go on with the random numbers."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.stem.append(nn.Dropout(0.3))


@METRICS.register_module()
class SumOfScores(BaseMetric):
    """A number that depends on every weight, and has no trend: some epochs are the best so far, others are not."""

    def process(self, data_batch, data_samples):
        self.results += [float(found.scores.sum()) for found in data_samples]

    def compute_metrics(self, results):
        return {"sum": sum(results) * 997 % 1}
