"""The input that Open Model Zoo's networks for associative embedding expect."""

from __future__ import annotations

from dataclasses import replace

from mmcv.transforms import BaseTransform

from aemm import geometry
from aemm.ops.openvino import OpenVinoFit, OpenVinoPadding
from aemm.registry import TRANSFORMS
from aemm.structures import Sample


@TRANSFORMS.register_module()
class OpenVinoResize(BaseTransform):
    """Bring an image to test on to the network's input size as Open Model Zoo's demos do.

    Pixels are 'continuous'; :class:`aemm.models.decoders.OpenVinoGrouping` takes keypoints back to the image.

    Args:
        size: length of the shorter side of the input, pixels.
        divisor: both sides are rounded up to a multiple of this.
        padding: 'right_bottom' (human-pose-estimation-0005 to -0007) or around the 'center' (HigherHRNet).
        aspect: width over height of the input; None = those of each image, so that batches hold one.

    Attributes:
        rules: the same, for who resizes without torch.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self, size: int, divisor: int = 32, padding: OpenVinoPadding = "right_bottom", aspect: float | None = None
    ) -> None:
        self.rules = OpenVinoFit(size, divisor, padding, aspect)

    def transform(self, sample: Sample) -> Sample:
        """Resize and pad.

        Raises:
            ValueError: the sample has masks or a convention of its own, as in training.
        """
        if sample.masks is not None or sample.convention != "continuous":
            raise ValueError(f"image {sample.image_id}: OpenVinoResize is for testing poses in 'continuous' pixels")
        image, warp = self.rules.show(sample.image)
        keypoints = None if sample.keypoints is None else geometry.apply_warp(sample.keypoints, warp)
        return replace(sample, image=image, ignore=None, keypoints=keypoints, warp=warp @ sample.warp)
