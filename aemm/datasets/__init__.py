"""Files become samples, samples become batches."""

from aemm.datasets.base import SampleDataset, SampleKey, SeededSampler, UnreadableImageError
from aemm.datasets.coco_annotations import AnnotationError
from aemm.datasets.coco_pose import CocoPoseDataset
from aemm.datasets.collate import collate
from aemm.datasets.mpii import MpiiDataset, MpiiGroupDataset
from aemm.datasets.synthetic import SyntheticPoseDataset

__all__ = [
    "AnnotationError",
    "CocoPoseDataset",
    "MpiiDataset",
    "MpiiGroupDataset",
    "SampleDataset",
    "SampleKey",
    "SeededSampler",
    "SyntheticPoseDataset",
    "UnreadableImageError",
    "collate",
]
