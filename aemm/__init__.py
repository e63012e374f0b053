"""aemm: associative embedding for bottom-up pose estimation and instance segmentation."""

from aemm.announce import announce

__version__ = "0.2.0"

announce()
