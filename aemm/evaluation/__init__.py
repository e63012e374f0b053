"""Metrics: thin wrappers around pure functions."""

from aemm.evaluation.coco_metric import CocoMetric
from aemm.evaluation.mpii_metric import MpiiMetric

__all__ = ["CocoMetric", "MpiiMetric"]
