"""Files become samples, samples become batches."""

from aemm.datasets.base import SampleDataset, SampleKey, SeededSampler
from aemm.datasets.coco_instance import CocoInstanceDataset
from aemm.datasets.coco_pose import CocoPoseDataset
from aemm.datasets.collate import collate
from aemm.datasets.concat import ConcatDataset, RepeatDataset
from aemm.datasets.crowdpose import CrowdPoseDataset
from aemm.datasets.mpii import MpiiDataset, MpiiGroupDataset
from aemm.datasets.single_person import SinglePersonDataset
from aemm.datasets.synthetic import SyntheticInstanceDataset, SyntheticMpiiDataset, SyntheticPoseDataset
from aemm.datasets.voc_instance import VocInstanceDataset
from aemm.formats import AnnotationError, UnreadableImageError

__all__ = [
    "AnnotationError",
    "CocoInstanceDataset",
    "CocoPoseDataset",
    "ConcatDataset",
    "CrowdPoseDataset",
    "MpiiDataset",
    "MpiiGroupDataset",
    "RepeatDataset",
    "SampleDataset",
    "SampleKey",
    "SeededSampler",
    "SinglePersonDataset",
    "SyntheticInstanceDataset",
    "SyntheticMpiiDataset",
    "SyntheticPoseDataset",
    "UnreadableImageError",
    "VocInstanceDataset",
    "collate",
]
