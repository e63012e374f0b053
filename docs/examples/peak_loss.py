"""A loss of one's own, outside the package: a missed peak costs more than heat where there is none."""

from torch import Tensor, nn

from aemm.registry import MODELS


@MODELS.register_module()
class PeakLoss(nn.Module):
    """Squared error of heatmaps, weighed higher where the target is high.

    Args:
        peak: weight at the top of a peak, where that of the background is 1.
    """

    def __init__(self, peak: float = 10.0) -> None:
        super().__init__()
        self.peak = peak

    def forward(self, heatmaps: Tensor, target: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """``loss_heatmap`` from ``(B, C, h, w)`` heatmaps and target, and ``(B, h, w)`` weight, 0 = ignore."""
        error = (heatmaps.float() - target).square() * (1 + (self.peak - 1) * target)
        return {"loss_heatmap": (error * weight[:, None]).mean()}
