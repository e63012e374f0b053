"""What aemm's hooks and optimizer wrapper add to an iteration of training, against mmengine's.

python benchmarks/training_checks.py
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from timing import print_table

from aemm.engine import build_runner, load_config

# mmengine's own in the place of aemm's
PLAIN = {
    "optim_wrapper.type": "mmengine.OptimWrapper",
    "default_hooks.runtime_info": dict(type="mmengine.RuntimeInfoHook"),
    "default_hooks.finite": None,
    "default_hooks.bad_samples": None,
    "default_hooks.shared_statistics": None,
}
QUIET = {
    "val_cfg": None,
    "val_dataloader": None,
    "val_evaluator": None,
    "log_level": "ERROR",
    "default_hooks.checkpoint": None,
    "default_hooks.logger.interval": 1000,
    "visualizer": dict(type="Visualizer", vis_backends=[]),
}


class _Clock(Hook):
    """Median processor time from the end of one iteration to that of the next, ms; history put in beforehand."""

    priority = "LOWEST"

    def __init__(self, entries: int) -> None:
        self.entries, self.spent = entries, []
        self._last = 0.0

    def before_train(self, runner: Any) -> None:
        for name in ("loss", "loss_heatmap", "loss_pull", "loss_push", "lr", "time", "data_time"):
            runner.message_hub.log_scalars[f"train/{name}"] = HistoryBuffer([0.0] * self.entries, [1] * self.entries)

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        now = time.process_time()  # on one thread the time it takes where nothing else runs
        if runner.iter > 2:
            self.spent.append((now - self._last) * 1e3)
        self._last = now


def iteration_ms(
    config: str, size: int, batch_size: int, iterations: int, options: dict[str, Any], entries: int = 0
) -> float:
    """Median processor time of an iteration on drawn people.

    Args:
        config: of the model.
        size: side of the images, pixels.
        batch_size: their number.
        iterations: how many.
        options: overrides of the config.
        entries: of each scalar that the message hub holds already.
    """
    cfg = load_config(config)
    cfg.train_dataloader = load_config("configs/synthetic/pose_hourglass_tiny_128.py").train_dataloader
    data = dict(length=batch_size, image_size=size)
    cfg.merge_from_dict({"train_dataloader": dict(batch_size=batch_size, dataset=data), **QUIET, **options})
    cfg.model.backbone.pop("init_cfg", None)  # no weights are fetched
    cfg.merge_from_dict({"train_cfg.max_epochs": iterations, "experiment_name": str(time.perf_counter())})
    with tempfile.TemporaryDirectory() as folder:
        cfg.work_dir = folder
        runner = build_runner(cfg)
        clock = _Clock(entries)
        runner.register_hook(clock)
        runner.train()
    return sorted(clock.spent)[len(clock.spent) // 2]


def row(config: str, size: int, batch_size: int, iterations: int, entries: int = 0) -> list[str]:
    """A row: mmengine's time, aemm's, and the median of their ratio over pairs, one after the other."""
    settings = (config, size, batch_size, iterations)
    pairs = [(iteration_ms(*settings, PLAIN, entries), iteration_ms(*settings, {}, entries)) for _ in range(3)]
    plain, ours, ratio = (sorted(v)[1] for v in zip(*((a, b, b / a) for a, b in pairs), strict=True))
    name = Path(config).stem + (f", {entries} iterations before" if entries else "")
    return [name, f"{batch_size} x {size} px", f"{plain:.1f}", f"{ours:.1f}", f"{ratio:.3f}"]


def main() -> None:
    """Time iterations with optimizer, hooks and loading, the latter from memory."""
    tiny = "configs/synthetic/pose_hourglass_tiny_128.py"
    rows = [
        row(tiny, 128, 8, 40),
        row("configs/pose/hrnet_w32_coco_512.py", 128, 1, 12),
        row(tiny, 64, 2, 40, 250_000),
    ]
    print_table("checks of a training", ["recipe", "batch", "mmengine, ms", "aemm, ms", "ratio"], rows)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
