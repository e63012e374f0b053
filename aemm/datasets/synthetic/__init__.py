"""Data that need no file: people, shapes and groups drawn on the fly, with exact truth."""

from aemm.datasets.synthetic.instance import SyntheticInstanceDataset
from aemm.datasets.synthetic.mpii import SyntheticMpiiDataset
from aemm.datasets.synthetic.pose import SyntheticPoseDataset

__all__ = ["SyntheticInstanceDataset", "SyntheticMpiiDataset", "SyntheticPoseDataset"]
