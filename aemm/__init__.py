"""aemm: associative embedding for bottom-up pose estimation and instance segmentation."""

__version__ = "0.1.0"
