"""What networks of other libraries have in common: measured without computing, and filled with weights in training.

Letters: B images, h, w cells, H, W pixels.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from aemm.formats.checkpoint import CheckpointError
from aemm.models.layers import check_sides, recompute

SIDE = 224  # a multiple of the usual strides and patches, 14 and 32 among them


@dataclass(frozen=True)
class Measures:
    """What a network gives.

    Attributes:
        channels: of each feature map.
        strides: pixels per cell of each.
        idle: names of the parameters that none of them depends on.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    idle: tuple[str, ...]


Read = Callable[[Any], Sequence[Tensor]]
"""What a network returns to feature maps ``(B, C, h, w)``."""


def measure(build: Callable[[], nn.Module], read: Read, size: tuple[int, int], name: str) -> Measures:
    """Run a network on an image of no content, with shapes alone.

    Args:
        build: makes the network.
        read: takes the feature maps out of what it returns.
        size: height and width of the image, pixels.
        name: of the network, for the message.

    Raises:
        ValueError: a feature map does not divide the image into squares.
    """
    with torch.device("meta"), torch.enable_grad():
        net = build().eval()
        feats = read(net(torch.zeros(1, 3, *size)))
        named = dict(net.named_parameters())
        gradients = torch.autograd.grad([feat.sum() for feat in feats], list(named.values()), allow_unused=True)
    strides = []
    for feat in feats:
        height, width = size[0] / feat.shape[-2], size[1] / feat.shape[-1]
        if height != width or height % 1:
            raise ValueError(
                f"{name} gives {feat.shape[-2]}x{feat.shape[-1]} cells for an image of {size[0]}x{size[1]}; "
                "a feature map needs square cells of whole pixels: choose other stages"
            )
        strides.append(int(height))
    idle = tuple(key for key, gradient in zip(named, gradients, strict=True) if gradient is None)
    return Measures(tuple(feat.shape[1] for feat in feats), tuple(strides), idle)


def ascending(stages: Sequence[int], count: int, name: str) -> tuple[int, ...]:
    """Stages counted from the first.

    Args:
        stages: counted from the first or, negative, from the last.
        count: how many there are.
        name: of the network, for the message.

    Raises:
        ValueError: there is no such stage, or they do not ascend.
    """
    found = tuple(stage + count if stage < 0 else stage for stage in stages)
    if not found or any(not 0 <= stage < count for stage in found) or list(found) != sorted(set(found)):
        raise ValueError(
            f"stages must be some of the {count} of {name}, in ascending order, each from 0 to {count - 1} or from "
            f"-{count} to -1; got {tuple(stages)}"
        )
    return found


class BorrowedBackbone(BaseModule):
    """A network of another library, which stands under ``net``.

    Parameters that no chosen stage depends on are frozen.

    Args:
        title: of the network, for messages.
        pretrained: whether training starts from weights that its makers trained.
        with_cp: recompute the network in the backward pass, so that what it keeps and what the head keeps are not
            held together.
        init_cfg: mmengine's initialisation config; it takes the place of ``pretrained``.

    Attributes:
        channels: of each feature map.
        strides: pixels per cell of each.
        multiple_of: what the sides of images must be multiples of.
    """

    def __init__(self, title: str, pretrained: bool, with_cp: bool, init_cfg: Any) -> None:
        super().__init__(init_cfg)
        self.title, self.pretrained, self.with_cp = title, pretrained, with_cp

    @abstractmethod
    def build(self, pretrained: bool) -> nn.Module:
        """The network, with weights of its makers or random ones."""

    @abstractmethod
    def read(self, output: Any) -> Sequence[Tensor]:
        """The feature maps ``(B, C, h, w)`` in what the network returns."""

    @abstractmethod
    def remedy(self) -> str:
        """What to do where the weights cannot be had, as the end of a sentence."""

    def settle(self, size: tuple[int, int], multiple_of: int = 1) -> None:
        """Measure the network and build it.

        Args:
            size: of an image that it takes, pixels.
            multiple_of: what the sides of images must be multiples of beside the strides.

        Raises:
            ValueError: it gives no maps of whole strides.
        """
        measures = measure(lambda: self.build(False), self.read, size, self.title)
        self.channels, self.strides = measures.channels, measures.strides
        self.multiple_of = math.lcm(multiple_of, *self.strides)
        self.net = self.build(False)
        for key in measures.idle:
            self.net.get_parameter(key).requires_grad_(False)

    def init_weights(self) -> None:
        """Take the weights of the network's makers, if asked for.

        Raises:
            CheckpointError: they cannot be had or do not fit.
        """
        if self.init_cfg is not None:
            super().init_weights()
        elif self.pretrained:
            try:
                loaded = self.build(True)
                self.net.load_state_dict(loaded.state_dict())
            except CheckpointError:
                raise
            except Exception as error:  # of a library, of a hub, of a network: whatever they stumble over
                reason = (str(error) or type(error).__name__).splitlines()[0]
                raise CheckpointError(
                    f"the pretrained weights of {self.title} cannot be had ({reason}); {self.remedy()}"
                ) from error

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """``(B, 3, H, W)`` to one ``(B, channels[i], H / strides[i], W / strides[i])`` for each stage.

        Raises:
            ValueError: the network takes no images of that size.
        """
        check_sides(image, self.multiple_of)
        again = self.with_cp and self.training
        try:
            output = recompute(self.net, image) if again else self.net(image)
        except AssertionError as error:  # how timm refuses a size
            height, width = image.shape[-2:]
            raise ValueError(f"{self.title} takes no images of {height}x{width} pixels ({error})") from error
        return tuple(self.read(output))
