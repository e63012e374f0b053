"""A hook of one's own, outside the package: the backbone rests while a new head finds its feet."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from aemm.registry import HOOKS


@HOOKS.register_module()
class RestBackbone(Hook):
    """Train everything but the backbone in the first epochs.

    Args:
        epochs: how many.
    """

    def __init__(self, epochs: int = 1) -> None:
        self.epochs = epochs

    def before_train_epoch(self, runner: Runner) -> None:
        """Stop or start its gradients; ``runner.epoch`` is right after ``--resume``, too."""
        model = getattr(runner.model, "module", runner.model)
        model.backbone.requires_grad_(runner.epoch >= self.epochs)
