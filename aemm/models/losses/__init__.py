"""Losses on heatmaps and tags."""

from aemm.models.losses.grouping import GroupingLoss
from aemm.models.losses.heatmap import HeatmapMSELoss

__all__ = ["GroupingLoss", "HeatmapMSELoss"]
