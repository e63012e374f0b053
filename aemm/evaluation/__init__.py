"""Metrics: thin wrappers around pure functions."""

from aemm.evaluation.coco_instance_metric import CocoInstanceMetric
from aemm.evaluation.coco_metric import CocoMetric
from aemm.evaluation.crowdpose_metric import CrowdPoseMetric
from aemm.evaluation.mpii_metric import MpiiMetric
from aemm.evaluation.voc_metric import VocInstanceMetric

__all__ = ["CocoInstanceMetric", "CocoMetric", "CrowdPoseMetric", "MpiiMetric", "VocInstanceMetric"]
