"""A training small enough to run within a test, in the test's own process."""

import itertools
import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from aemm.engine import build_runner, load_config
from aemm.engine.runner import Runner
from tests.end_to_end import write_config

# without picture, curve and file of weights, unless a test asks for them
QUIET = {
    "visualizer": dict(type="Visualizer", vis_backends=[]),
    "log_level": "ERROR",
    "default_hooks.checkpoint.interval": -1,
    "default_hooks.checkpoint.save_best": None,
}
# what forked processes can use, too: see run_processes
VALIDATION = {"val_evaluator.backend": "pycocotools", "test_evaluator.backend": "pycocotools"}
NO_VALIDATION = {"val_cfg": None, "val_dataloader": None, "val_evaluator": None}


_numbers = itertools.count()


def small_runner(
    folder: Path, extra: str = "", launcher: str = "none", validate: bool = False, **options: Any
) -> Runner:
    """A runner of the small recipe; dots in the names of options are written as double underscores."""
    cfg = load_config(str(write_config(folder / f"config_{os.getpid()}", extra)))
    options = {name.replace("__", "."): value for name, value in options.items()}
    cfg.merge_from_dict(QUIET | (VALIDATION if validate else NO_VALIDATION) | options)
    cfg.work_dir = str(folder / "run")
    cfg.experiment_name = f"small_{next(_numbers)}"  # runs of one second would share their message hub
    with patch.object(Runner, "_log_env"):  # it asks every compiler of the machine for its version
        return build_runner(cfg, launcher)


def weights(runner: Runner) -> dict[str, torch.Tensor]:
    """A copy of the weights, under the names of a checkpoint."""
    model = getattr(runner.model, "module", runner.model)
    return {name: value.clone() for name, value in model.state_dict().items()}


def difference(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> float:
    """The largest difference of two sets of weights."""
    assert one.keys() == two.keys()
    return max(float((one[name].double() - two[name].double()).abs().max()) for name in one)
