"""Trainings that are done: which config and which checkpoint a work dir holds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from aemm.engine.config import load_config
from aemm.engine.launch import build_runner, require
from aemm.engine.report import ReportHook
from aemm.reports import Run
from aemm.reports.report import NUMBERS

_NOTE = "last_checkpoint"  # in which mmengine names the last one
_OF_ONE_TEST = ("DumpHook", "ReportHook", "ShowHook")  # write to places that were named for that test
_tested = itertools.count()


def find_run(path: str | Path) -> tuple[Path, Path]:
    """Config and checkpoint of a run.

    Args:
        path: its work dir, of which the newest best checkpoint is taken, or the last where no best one was kept; a
            checkpoint of the work dir; or the folder of a report on it.

    Raises:
        FileNotFoundError: there is no such folder, or it lacks config or checkpoint.
    """
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(f"{path} does not exist; name the work dir of a training")
    if place.is_dir() and (place / NUMBERS).is_file() and not _kept(place):  # the test left a config there, too
        place = _reported(place)
    folder = place if place.is_dir() else place.parent
    configs = sorted(folder.glob("*.py"), key=lambda file: file.stat().st_mtime)
    if not configs:
        raise FileNotFoundError(f"{folder} holds no config; name the work dir of a training, which keeps its own there")
    return configs[-1], _checkpoint(folder) if place.is_dir() else place


def _reported(folder: Path) -> Path:
    """The checkpoint that a report is on."""
    try:
        (own,) = json.loads((folder / NUMBERS).read_text(encoding="utf-8")).values()
        return Path(own["checkpoint"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileNotFoundError(
            f"{folder / NUMBERS} does not tell of one run; name the work dir of each training"
        ) from error


def _checkpoint(folder: Path) -> Path:
    kept = _kept(folder)
    if kept is None:
        raise FileNotFoundError(f"{folder} holds no checkpoint, neither best_*.pth nor the one that {_NOTE} names")
    return kept


def _kept(folder: Path) -> Path | None:
    """The newest best checkpoint of a folder, or its last one; None where it holds none."""
    best = sorted(folder.glob("best_*.pth"), key=lambda file: file.stat().st_mtime)
    if best:
        return best[-1]
    note = folder / _NOTE
    last = folder / Path(note.read_text(encoding="utf-8", errors="replace").strip()).name if note.is_file() else note
    return last if last.is_file() else None


def evaluate_run(path: str, out: str, options: Mapping[str, Any] | None = None, oracle_images: int = 100) -> Run:
    """Test a run on the test data of its config.

    Args:
        path: see :func:`find_run`.
        out: where the log of the test goes.
        options: overrides of the config.
        oracle_images: see :class:`aemm.engine.ReportHook`.

    Returns:
        What there is to report.
    """
    config, checkpoint = find_run(path)
    cfg: Config = load_config(str(config), options)
    require(cfg, ("model", "test_dataloader", "test_cfg", "test_evaluator"), "be evaluated")
    cfg.work_dir, cfg.load_from, cfg.resume = out, str(checkpoint), False
    cfg.experiment_name = f"report_{next(_tested)}_{config.stem}"  # runs of one second would share their messages
    hook = ReportHook(None, oracle_images=oracle_images)
    cfg.custom_hooks = [own for own in cfg.get("custom_hooks") or () if own["type"] not in _OF_ONE_TEST]
    runner = build_runner(cfg, trains=False)
    runner.register_hook(hook)
    runner.test()
    assert hook.run is not None
    return hook.run
