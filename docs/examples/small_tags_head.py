"""A head with a loss term of its own, outside the package: tags are kept near 0."""

from typing import Any

from torch import Tensor

from aemm.models.heads import AEHead
from aemm.registry import MODELS
from aemm.structures import Maps, Targets


@MODELS.register_module()
class SmallTagsHead(AEHead):
    """AEHead whose tags cost their mean square.

    Args:
        size_weight: factor on it.
        settings: arguments of AEHead.
    """

    def __init__(self, size_weight: float = 1e-4, **settings: Any) -> None:
        super().__init__(**settings)
        self.size_weight = size_weight

    def loss(self, stages: list[Maps], targets: list[Targets]) -> dict[str, Tensor]:
        """The terms of AEHead, and ``loss_tag_size``."""
        size = sum(stage.need_tags().square().mean() for stage in stages)
        return super().loss(stages, targets) | {"loss_tag_size": self.size_weight * size}
