"""A watch over the spread of the tags."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from aemm.registry import HOOKS


@HOOKS.register_module()
class TagCollapseHook(Hook):
    """Warn when all instances of an image get nearly the same tag.

    exp(-d²) is flat where two tags are equal, so the push loss then has no gradient, the pull loss
    wins, and every loss falls while nothing is grouped.

    Args:
        threshold: of the smoothed ``tag_spread`` (root mean square distance of the reference tags of an
            image from their mean), below which tags count as collapsed. A pair counts as one person
            within the decoder's tag threshold, 1.0 by default.
        after: iterations of training before the first look.
        every: iterations between two warnings.
        momentum: of the smoothing.
    """

    def __init__(self, threshold: float = 0.1, after: int = 500, every: int = 1000, momentum: float = 0.98) -> None:
        self.threshold, self.after, self.every, self.momentum = threshold, after, every, momentum
        self.spread: float | None = None
        self._warned: int | None = None

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Follow the spread, and warn of a collapse."""
        if not outputs or "tag_spread" not in outputs:
            return
        value = float(outputs["tag_spread"])
        self.spread = value if self.spread is None else self.momentum * self.spread + (1 - self.momentum) * value
        due = self._warned is None or runner.iter - self._warned >= self.every
        if runner.iter + 1 >= self.after and self.spread < self.threshold and due:
            self._warned = runner.iter
            runner.logger.warning(
                f"the tags have collapsed: the reference tags of an image are only {self.spread:.3f} apart "
                f"(tag_spread, below {self.threshold}), so people cannot be told from each other, although every loss "
                "may be falling. Start the tag weights wider (tag_std=0.25 in the backbone or head), weigh the "
                "grouping loss more (push_weight and pull_weight of grouping_loss), or lower the learning rate, "
                "and train anew"
            )
