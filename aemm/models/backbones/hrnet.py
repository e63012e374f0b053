"""HRNet: branches of several resolutions side by side, exchanging features; the finest is read at stride 4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from aemm.models.layers import BasicBlock, Bottleneck, check_sides, conv_norm, recompute, residual_layer
from aemm.registry import MODELS


def _conv(cin: int, cout: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*conv_norm(cin, cout, 3, stride), nn.ReLU(inplace=True))


def _change(to: int, of: int, widths: Sequence[int]) -> nn.Module:
    """What brings branch ``of`` to the channels and the size of branch ``to``."""
    if of == to:
        return nn.Identity()
    if of > to:
        up = nn.Upsample(scale_factor=float(2 ** (of - to)), mode="nearest")
        return nn.Sequential(*conv_norm(widths[of], widths[to], 1), up)
    steps = [_conv(widths[of], widths[of], 2) for _ in range(to - of - 1)]
    return nn.Sequential(*steps, nn.Sequential(*conv_norm(widths[of], widths[to], 3, 2)))


class _Sum(nn.ModuleList):
    """The sum of all branches, each changed by its module."""

    def forward(self, branches: list[Tensor]) -> Tensor:
        first, *others = (change(x) for change, x in zip(self, branches, strict=True))
        return sum(others, first)


class HighResolutionModule(nn.Module):
    """Residual blocks in every branch, then each branch receives the sum of all.

    Args:
        widths: channels of the branches, finest first; each has half the sides of the one before.
        blocks: residual blocks in each branch.
        outputs: how many branches go on; the finest alone at the end of the network.
    """

    def __init__(self, widths: Sequence[int], blocks: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(residual_layer(BasicBlock, width, width, blocks) for width in widths)
        self.fuse_layers = nn.ModuleList(
            _Sum(_change(i, j, widths) for j in range(len(widths))) for i in range(outputs)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        """``(B, widths[i], h/2**i, w/2**i)`` each, to the first ``outputs`` of the same shapes."""
        branches = [module(x) for module, x in zip(self.branches, branches, strict=True)]
        return [self.relu(fuse(branches)) for fuse in self.fuse_layers]


@MODELS.register_module()
class HRNet(BaseModule):
    """HRNet-W32, -W48 or of another width, with the published entry names, without a classifier.

    Args:
        width: channels of the finest branch; each coarser one has twice as many.
        modules: exchanges of features with two, three and four branches.
        blocks: residual blocks between two exchanges.
        stem: channels of the two convolutions that come first.
        with_cp: recompute each exchange module in the backward pass to save memory.
        init_cfg: mmengine's initialisation config; ``dict(type='Pretrained', checkpoint=...)`` takes
            the authors' ImageNet files.

    Attributes:
        channels: ``width``, of the one feature map.
        strides: 4.
        multiple_of: 32.

    Reference:
        Sun et al., Deep high-resolution representation learning for human pose estimation (CVPR 2019);
        HRNet/HigherHRNet-Human-Pose-Estimation lib/models/pose_higher_hrnet.py.
    """

    def __init__(
        self,
        width: int = 32,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
        stem: int = 64,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(modules) != 3:
            raise ValueError(f"modules must be three numbers, for 2, 3 and 4 branches, got {tuple(modules)}")
        self.channels = (width,)
        self.strides = (4,)
        self.multiple_of = 32
        self.with_cp = with_cp
        self.conv1, self.bn1 = conv_norm(3, stem, 3, 2)
        self.conv2, self.bn2 = conv_norm(stem, stem, 3, 2)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = residual_layer(Bottleneck, stem, stem, blocks)
        widths = [width * 2**i for i in range(4)]
        first = stem * Bottleneck.expansion
        self.transition1 = nn.ModuleList([_conv(first, widths[0]), nn.Sequential(_conv(first, widths[1], 2))])
        self.transition2 = self._new_branch(widths[:3])
        self.transition3 = self._new_branch(widths)
        for stage, count in enumerate(modules, start=2):
            outputs = [stage] * (count - 1) + [1 if stage == 4 else stage]
            made = [HighResolutionModule(widths[:stage], blocks, each) for each in outputs]
            setattr(self, f"stage{stage}", nn.ModuleList(made))

    @staticmethod
    def _new_branch(widths: Sequence[int]) -> nn.ModuleList:
        """The branches that are there stay, one more is made from the coarsest of them."""
        stay = [nn.Identity() for _ in widths[1:]]
        return nn.ModuleList([*stay, nn.Sequential(_conv(widths[-2], widths[-1], 2))])

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """``(B, 3, H, W)`` to one ``(B, width, H/4, W/4)``.

        Raises:
            ValueError: H or W is not a multiple of 32.
        """
        check_sides(image, self.multiple_of)
        x = self.relu(self.bn1(self.conv1(image)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self._run(self.layer1, x)
        branches = [change(x) for change in self.transition1]
        branches = self._exchange(self.stage2, branches)
        branches = self._exchange(self.stage3, [*branches, self.transition2[-1](branches[-1])])
        branches = self._exchange(self.stage4, [*branches, self.transition3[-1](branches[-1])])
        return tuple(branches)

    def _run(self, module: nn.Module, x: Any) -> Any:
        return recompute(module, x) if self.with_cp and self.training else module(x)

    def _exchange(self, stage: nn.ModuleList, branches: list[Tensor]) -> list[Tensor]:
        for module in stage:
            branches = self._run(module, branches)
        return branches
