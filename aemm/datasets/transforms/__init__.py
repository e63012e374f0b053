"""Transforms: a Sample in, a Sample out; the last one adds the targets."""

from aemm.datasets.transforms.geometric import RandomAffine, RandomFlip, ResizeToFit, flip_sample, warp_sample
from aemm.datasets.transforms.photometric import ColorJitter
from aemm.datasets.transforms.targets import PoseTargets

__all__ = ["ColorJitter", "PoseTargets", "RandomAffine", "RandomFlip", "ResizeToFit", "flip_sample", "warp_sample"]
