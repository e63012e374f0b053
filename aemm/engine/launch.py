"""From a config and a command line to a runner."""

from __future__ import annotations

import difflib
import importlib.util
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from aemm.engine.config_check import ConfigError, check_config
from aemm.engine.resume import ResumableRunner
from aemm.formats.checkpoint import CheckpointError
from aemm.registry import UnknownArgumentError, UnknownTypeError


def plain_message(error: Exception) -> str:
    """What an error says, without the traceback that a data loader's worker puts around it."""
    text = str(error)
    if "Original Traceback" not in text:
        return text
    return re.split(r"^[\w.]+: ", text, flags=re.MULTILINE)[-1].rstrip()


@contextmanager
def plain_errors() -> Iterator[None]:
    """End with the message alone, and exit code 1, where the user's input is at fault.

    The whole traceback is printed when ``AEMM_TRACEBACK=1``.
    """
    expected = (ConfigError, CheckpointError, UnknownTypeError, UnknownArgumentError, ValueError, OSError, ImportError)
    try:
        yield
    except expected as error:
        if os.environ.get("AEMM_TRACEBACK") == "1":
            raise
        print(f"\nerror: {plain_message(error)}\n(AEMM_TRACEBACK=1 shows where it was raised)", file=sys.stderr)
        sys.exit(1)


def _missing_options(cfg: Config, options: Mapping[str, Any]) -> list[str]:
    """Overrides whose first key the config does not have, with the nearest that it has."""
    faults = []
    for option in options:
        first = option.split(".")[0]
        if first not in cfg:
            near = difflib.get_close_matches(first, list(cfg), n=1)
            faults.append(
                f"--cfg-options {option}: the config has no {first!r}{f', did you mean {near[0]!r}?' if near else ''}"
            )
    return faults


def load_config(path: str, options: Mapping[str, Any] | None = None) -> Config:
    """A config file with overrides applied and checked, its scope active.

    Args:
        path: the file.
        options: dotted keys and values, as ``--cfg-options`` gives them.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigError: listing the faults.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"config {path} does not exist")
    cfg = Config.fromfile(path)
    if options:
        if faults := _missing_options(cfg, options):
            raise ConfigError("\n".join(faults))
        cfg.merge_from_dict(dict(options))
    init_default_scope(cfg.get("default_scope", "aemm"))
    check_config(cfg)
    return cfg


def set_work_dir(cfg: Config, config_path: str, work_dir: str | None) -> None:
    """Choose where logs and checkpoints go, and see that it can be written to.

    Raises:
        PermissionError: it cannot.
    """
    cfg.work_dir = work_dir or cfg.get("work_dir") or str(Path("work_dirs") / Path(config_path).stem)
    try:
        os.makedirs(cfg.work_dir, exist_ok=True)
        probe = Path(cfg.work_dir) / f".write_test_{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise PermissionError(
            f"work dir {cfg.work_dir} cannot be written to ({error.strerror}); choose another with --work-dir"
        ) from error


def use_mixed_precision(cfg: Config) -> None:
    """Train under autocast: fp16 with loss scaling on a GPU.

    Raises:
        ConfigError: there is no GPU.
    """
    if not torch.cuda.is_available():
        raise ConfigError("--amp needs a GPU; on a CPU leave it out")
    cfg.optim_wrapper.type = "AmpOptimWrapper"
    cfg.optim_wrapper.setdefault("loss_scale", "dynamic")


# how the records of a start begin that fill pages: environment, config, hooks, and advice to users of mmengine
_FOR_THE_FILE = ("\n-----", "Config:", "Hooks will be executed", '"FileClient"', '"HardDiskBackend"')


class _Runner(ResumableRunner):
    """MMEngine's runner; what fills pages at its start goes to the log file alone."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """The logger, with a console that is spared the pages."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler:
                handler.addFilter(lambda record: not record.getMessage().startswith(_FOR_THE_FILE))
        logger.info(f"environment, config and the whole log: {self.log_dir}")
        return logger


def build_runner(cfg: Config, launcher: str = "none") -> Runner:
    """The runner of a checked config, joined to its process group.

    Without GPUs processes talk through gloo. Curves go to TensorBoard where it is installed.

    Args:
        cfg: from :func:`load_config`, with a work dir.
        launcher: ``'none'``, ``'pytorch'`` or ``'slurm'``.
    """
    cfg.launcher = launcher
    if "visualizer" not in cfg and importlib.util.find_spec("tensorboard"):
        backends = [dict(type="LocalVisBackend"), dict(type="TensorboardVisBackend")]
        cfg.visualizer = dict(type="Visualizer", vis_backends=backends)
    if launcher != "none" and not torch.cuda.is_available():
        if launcher == "pytorch" and not dist.is_initialized():
            dist.init_process_group("gloo")  # mmengine's own start asks for a GPU
        cfg.model_wrapper_cfg = dict(type="MMDistributedDataParallel", device_ids=None, broadcast_buffers=False)
    return _Runner.from_cfg(cfg)


def run(main: Callable[[], None]) -> None:
    """Run a command-line tool: errors in its input end it with a message, not with a traceback."""
    with plain_errors():
        main()
    if dist.is_initialized():
        dist.destroy_process_group()
