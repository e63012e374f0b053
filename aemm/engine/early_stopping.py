"""Early stopping that outlives a stop of the training, also as one word of the config.

``early_stopping = 5`` ends a training after five validations in vain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.hooks import EarlyStoppingHook as EngineHook
from mmengine.runner import Runner

from aemm.registry import HOOKS

# mmengine waits while `best + min_delta > score`: with 0 a score that stays the same, such as 0, would count as better
_LEAST_GAIN = 1e-6


@HOOKS.register_module()
class EarlyStoppingHook(EngineHook):
    """mmengine's with its settings, which takes its place by its name and keeps its count in every checkpoint."""

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add best figure and count."""
        kept = checkpoint.setdefault("early_stopping", {})
        kept[self.monitor] = {"best_score": float(self.best_score), "wait_count": int(self.wait_count)}

    def go_on(self, checkpoint: Mapping[str, Any]) -> bool:
        """Take the count of the checkpoint that a run goes on from; whether it has one."""
        kept = checkpoint.get("early_stopping", {}).get(self.monitor)
        if kept is not None:
            self.best_score, self.wait_count = kept["best_score"], kept["wait_count"]
        return kept is not None


@HOOKS.register_module()
class StopEarlyHook(EarlyStoppingHook):
    """End a training whose metric has not become better for some validations.

    Args:
        monitor: name of the metric, as the validation reports it.
        rule: ``'greater'`` or ``'less'`` is better.
        patience: validations without a better value.
        min_delta: what a better value gains at least.
    """

    def __init__(self, monitor: str, rule: str = "greater", patience: int = 5, min_delta: float = _LEAST_GAIN) -> None:
        super().__init__(monitor, rule, min_delta, strict=True, patience=patience)

    def before_run(self, runner: Runner) -> None:
        """Nothing: a test, which has no training to stop, is run by the same hooks."""


def stop_early_config(cfg: Mapping[str, Any]) -> dict[str, Any] | None:
    """The hook that ``early_stopping`` of a config asks for; None where it asks for none.

    It watches what the best checkpoint is chosen by.

    Args:
        cfg: a config without faults.
    """
    patience = cfg.get("early_stopping")
    if patience is None:
        return None
    checkpoint = (cfg.get("default_hooks") or {}).get("checkpoint") or {}
    watched, rule = _first(checkpoint["save_best"]), _first(checkpoint.get("rule")) or "greater"
    return dict(type="StopEarlyHook", monitor=watched, rule=rule, patience=patience)


def early_stopping_fault(cfg: Mapping[str, Any]) -> str | None:
    """Why ``early_stopping`` cannot do what it says; None if it can, or is not asked for."""
    patience = cfg.get("early_stopping")
    if patience is None:
        return None
    if type(patience) is not int or patience < 1:
        return f"early_stopping: must be a whole number of validations from 1, got {patience!r}"
    if cfg.get("val_cfg") is None:
        return (
            "early_stopping: there is no validation that tells when to stop; add val_dataloader, val_cfg, val_evaluator"
        )
    checkpoint = (cfg.get("default_hooks") or {}).get("checkpoint") or {}
    if _first(checkpoint.get("save_best")) in (None, "auto"):
        return (
            "early_stopping: watches what the best checkpoint is chosen by, but default_hooks.checkpoint.save_best is "
            f"{checkpoint.get('save_best')!r}; name a metric there, such as 'coco/AP'"
        )
    return None


def _first(value: Any) -> Any:
    """The value, or the first of several."""
    return value[0] if isinstance(value, Sequence) and not isinstance(value, str) and value else value
