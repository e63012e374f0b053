"""Transforms: a Sample in, a Sample out; the last one adds the targets."""

from aemm.datasets.transforms.crop import PersonCrop
from aemm.datasets.transforms.geometric import AffineDraw, RandomAffine, RandomFlip, flip_sample, warp_sample
from aemm.datasets.transforms.instance_targets import InstanceTargets
from aemm.datasets.transforms.openvino import OpenVinoResize
from aemm.datasets.transforms.photometric import ColorDraw, ColorJitter
from aemm.datasets.transforms.pose_targets import PoseTargets
from aemm.datasets.transforms.resize import KeepOriginal, ResizeToFit

__all__ = [
    "AffineDraw",
    "ColorDraw",
    "ColorJitter",
    "InstanceTargets",
    "KeepOriginal",
    "OpenVinoResize",
    "PersonCrop",
    "PoseTargets",
    "RandomAffine",
    "RandomFlip",
    "ResizeToFit",
    "flip_sample",
    "warp_sample",
]
