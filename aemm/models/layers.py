"""Building blocks that backbones and heads share: residual blocks, upsampling, gradient checkpointing.

The names of the entries are those of the published ResNet and HRNet checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def conv_norm(cin: int, cout: int, size: int, stride: int = 1) -> list[nn.Module]:
    """A convolution without bias and its batch norm; sides are divided by ``stride``, rounded up."""
    return [nn.Conv2d(cin, cout, size, stride, size // 2, bias=False), nn.BatchNorm2d(cout)]


def upsampling(cin: int, cout: int) -> nn.Sequential:
    """A transposed 4x4 convolution that doubles both sides exactly, batch norm, ReLU."""
    deconv = nn.ConvTranspose2d(cin, cout, 4, stride=2, padding=1, bias=False)
    return nn.Sequential(deconv, nn.BatchNorm2d(cout), nn.ReLU(inplace=True))


def _shortcut(cin: int, cout: int, stride: int) -> nn.Module | None:
    return nn.Sequential(*conv_norm(cin, cout, 1, stride)) if stride != 1 or cin != cout else None


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut.

    Args:
        cin: channels of the input.
        planes: channels of the output.
        stride: of the first convolution.

    Reference: He et al., Deep residual learning for image recognition (CVPR 2016), section 3.4.
    """

    expansion = 1

    def __init__(self, cin: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_norm(cin, planes, 3, stride)
        self.conv2, self.bn2 = conv_norm(planes, planes, 3)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(cin, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, cin, h, w)`` to ``(B, planes, h/stride, w/stride)``."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; the 3x3 has the stride, as in torchvision.

    Args:
        cin: channels of the input.
        planes: channels of the 3x3 convolution; the output has four times as many.
        stride: of the 3x3 convolution.

    Reference: He et al., Deep residual learning for image recognition (CVPR 2016), section 4.1.
    """

    expansion = 4

    def __init__(self, cin: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_norm(cin, planes, 1)
        self.conv2, self.bn2 = conv_norm(planes, planes, 3, stride)
        self.conv3, self.bn3 = conv_norm(planes, planes * self.expansion, 1)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(cin, planes * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, cin, h, w)`` to ``(B, 4 planes, h/stride, w/stride)``."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


def residual_layer(
    block: type[BasicBlock | Bottleneck], cin: int, planes: int, count: int, stride: int = 1
) -> nn.Sequential:
    """``count`` blocks in a row, the first with the stride."""
    inner = planes * block.expansion
    return nn.Sequential(block(cin, planes, stride), *(block(inner, planes) for _ in range(count - 1)))


@contextmanager
def _fixed_statistics(module: nn.Module) -> Iterator[None]:
    """Normalise by the batch without counting it towards the running statistics."""
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    before = [(m.momentum, None if m.num_batches_tracked is None else m.num_batches_tracked.clone()) for m in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum = momentum
            if count is not None and norm.num_batches_tracked is not None:
                norm.num_batches_tracked.copy_(count)


def _checkpoint(module: nn.Module, *inputs: Any) -> Any:
    return checkpoint(
        module, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _fixed_statistics(module))
    )


_run = _checkpoint


def compile_around_recomputing() -> None:
    """Let a compiler take the modules that are recomputed one by one, but not what counts their runs.

    For whoever compiles a network, before it runs: done here, it would cost every import a second or more.
    """
    global _run
    _run = torch.compiler.disable(_checkpoint, recursive=False)


def recompute(module: nn.Module, *inputs: Any) -> Any:
    """``module(*inputs)``, run again in the backward pass instead of keeping what it computes.

    Results, gradients and running statistics are those of a plain call: the second run does not
    count towards the statistics.

    Args:
        module: any module.
        inputs: tensors, or lists of tensors.
    """
    return _run(module, *inputs)


def check_sides(image: Tensor, multiple_of: int) -> None:
    """See that a network can halve an image as often as it needs to.

    Args:
        image: ``(B, 3, H, W)``.
        multiple_of: what H and W must be multiples of.

    Raises:
        ValueError: they are not.
    """
    height, width = image.shape[-2:]
    if height % multiple_of or width % multiple_of:
        raise ValueError(
            f"the network needs images whose sides are multiples of {multiple_of}, got {height}x{width}; "
            f"set multiple_of={multiple_of} in ResizeToFit"
        )
