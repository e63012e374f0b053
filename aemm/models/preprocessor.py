"""The last thing that happens to a batch before the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from aemm.ops.image import look_up
from aemm.registry import MODELS
from aemm.structures import Batch


@MODELS.register_module()
class Preprocessor(BaseDataPreprocessor):
    """Bring a batch to the model's device and normalise its images and unpack its targets there.

    Args:
        mean: of R, G, B on the scale 0 to 255. The default, with ``std``, maps to [0, 1] as the authors do.
        std: likewise.
        channels_last: let the images lie in memory as NHWC, which convolutions on CPUs and tensor cores prefer.
        non_blocking: copy to the device without waiting, for which a batch must be pinned.
    """

    def __init__(
        self,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (255.0, 255.0, 255.0),
        channels_last: bool = False,
        non_blocking: bool = True,
    ) -> None:
        super().__init__(non_blocking)
        self.channels_last = channels_last
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, data: Batch, training: bool = False) -> dict[str, Batch]:
        """The batch on the device with float images and dense targets, as keyword arguments of the model."""
        batch = data.to(self.device, self._non_blocking)
        images = [self._normalised(image) for image in batch.images]
        return {"batch": replace(batch, images=images, targets=[target.dense() for target in batch.targets])}

    def _normalised(self, image: Tensor) -> Tensor:
        """Images ``(B, 3, H, W)`` without the mean, in units of the deviation."""
        if self.channels_last and image.dtype == torch.uint8 and self.mean.device.type == "cpu":
            levels = (torch.arange(256).to(self.mean.dtype) - self.mean.view(3, 1)).div_(self.std.view(3, 1))
            if levels.dtype == torch.float32:
                pixels = image.permute(0, 2, 3, 1).contiguous().numpy()
                return torch.from_numpy(look_up(pixels, levels.numpy())).permute(0, 3, 1, 2)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return image.to(self.mean.dtype, memory_format=layout, copy=True).sub_(self.mean).div_(self.std)
