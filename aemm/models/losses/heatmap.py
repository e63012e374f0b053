"""The detection loss."""

from __future__ import annotations

from torch import Tensor, nn

from aemm.registry import MODELS


@MODELS.register_module()
class HeatmapMSELoss(nn.Module):
    """Mean squared error between heatmaps and targets, 0 where the weight is 0.

    The mean goes over all cells, those of weight 0 included, as both references do.

    Args:
        weight: factor on the result.

    Reference: Newell et al. 2017, section 3.2; HigherHRNet lib/core/loss.py.
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, heatmaps: Tensor, target: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """``loss_heatmap``, a scalar in fp32.

        Args:
            heatmaps: ``(B, C, h, w)`` predicted.
            target: ``(B, C, h, w)``.
            weight: ``(B, h, w)``, 0 = ignore.
        """
        error = (heatmaps.float() - target.float()).square() * weight[:, None]
        return {"loss_heatmap": error.mean() * self.weight}
