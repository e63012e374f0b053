"""A watch over the spread of the tags."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from aemm.registry import HOOKS


@HOOKS.register_module()
class TagCollapseHook(Hook):
    """Warn when all instances of an image get nearly the same tag.

    exp(-d²) is flat where two tags are equal, so the push loss then has no gradient, the pull loss
    wins, and every loss falls while nothing is grouped.

    The spread is smoothed on the device and looked at once in a while, so that no step waits for it. In the log the
    smoothed value stands for a step without two instances in one image, whose own value is NaN.

    Args:
        threshold: of the smoothed ``tag_spread`` (root mean square distance of the reference tags of an
            image from their mean), below which tags count as collapsed. A pair counts as one person
            within the decoder's tag threshold, 1.0 by default.
        after: iterations of training before the first look.
        every: iterations between two warnings.
        momentum: of the smoothing.
        interval: iterations between two looks.
    """

    priority = "HIGHEST"  # before the hook that logs what the model returned

    def __init__(
        self,
        threshold: float = 0.1,
        after: int = 500,
        every: int = 1000,
        momentum: float = 0.98,
        interval: int = 10,
    ) -> None:
        self.threshold = threshold
        self.after = after
        self.every = every
        self.momentum, self.interval = momentum, interval
        self.spread: Tensor | None = None
        self._warned: int | None = None

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Follow the spread, and warn of a collapse."""
        if not outputs or "tag_spread" not in outputs:
            return
        value = torch.as_tensor(outputs["tag_spread"])
        before = value if self.spread is None else self.spread
        self.spread = self._smoothed(before, value)
        outputs["tag_spread"] = torch.where(value.isnan(), before, value)
        due = self._warned is None or runner.iter - self._warned >= self.every
        if runner.iter + 1 < self.after or (runner.iter + 1) % self.interval or not due:
            return
        if (spread := float(self.spread)) < self.threshold:  # NaN, no pair so far, is not below
            self._warned = runner.iter
            runner.logger.warning(
                f"the tags have collapsed: the reference tags of an image are only {spread:.3f} apart "
                f"(tag_spread, below {self.threshold}), so people cannot be told from each other, although every loss "
                "may be falling. Start the tag weights wider (tag_std=0.25 in the backbone or head), weigh the "
                "grouping loss more (push_weight and pull_weight of grouping_loss), or lower the learning rate, "
                "and train anew"
            )

    def _smoothed(self, before: Tensor, value: Tensor) -> Tensor:
        """The spread so far and that of a step taken together; NaN counts as none."""
        both = self.momentum * before + (1 - self.momentum) * value
        return torch.where(value.isnan(), before, torch.where(before.isnan(), value, both))
