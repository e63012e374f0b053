"""Losses on heatmaps and tags."""

from aemm.models.losses.grouping import GroupingLoss
from aemm.models.losses.heatmap import HeatmapMSELoss
from aemm.models.losses.pixel_grouping import PixelGroupingLoss

__all__ = ["GroupingLoss", "HeatmapMSELoss", "PixelGroupingLoss"]
