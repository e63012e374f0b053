"""From a config and a command line to a runner."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence, Sized
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from torch import nn
from torch.utils.data import DataLoader

from aemm.engine.config import load_config
from aemm.engine.config_check import ConfigError, check_loader
from aemm.engine.console import file_only, survive_closed_console
from aemm.engine.dump import DumpHook
from aemm.engine.early_stopping import stop_early_config
from aemm.engine.outputs import check_folder
from aemm.engine.resume import ResumableRunner
from aemm.engine.switches import check_switches, join_processes
from aemm.libraries import pass_over_broken_torchvision
from aemm.registry import MODELS


def require(cfg: Config, keys: Sequence[str], purpose: str) -> None:
    """Raise unless a config has all that a command reads.

    Args:
        cfg: a loaded config.
        keys: at its top level.
        purpose: what they are for.

    Raises:
        ConfigError: naming those that it lacks.
    """
    if missing := [key for key in keys if cfg.get(key) is None]:
        raise ConfigError(f"config {cfg.filename or ''} lacks {', '.join(missing)}, without which it cannot {purpose}")


def build_model(path: str, options: Mapping[str, Any] | None = None) -> nn.Module:
    """The model of a config, as it starts.

    Args:
        path: see :func:`load_config`.
        options: see :func:`load_config`.

    Raises:
        FileNotFoundError: there is no such file or recipe.
        ValueError: several recipes have this name.
        ConfigError: the config has faults, or no model.
    """
    cfg = load_config(path, options)
    require(cfg, ("model",), "be built")
    return MODELS.build(cfg.model)


def set_work_dir(cfg: Config, config_path: str, work_dir: str | None) -> None:
    """Choose where logs and checkpoints go, and see that it can be written to.

    Raises:
        PermissionError: it cannot.
    """
    cfg.work_dir = work_dir or cfg.get("work_dir") or str(Path("work_dirs") / Path(config_path).stem)
    check_folder(cfg.work_dir, "--work-dir")


def set_seed(cfg: Config, seed: int | None) -> None:
    """Choose the seed of weights, order and augmentation; None keeps the config's."""
    if seed is not None:
        cfg.randomness = {**cfg.get("randomness", {}), "seed": seed}


def set_dump(cfg: Config, path: str) -> None:
    """Have the predictions of a test written by a :class:`~aemm.engine.DumpHook`.

    Args:
        cfg: with ``test_evaluator``: a metric, a list of them, or an evaluator that holds them as ``metrics``.
            Where one is an ``MpiiMetric``, the people written are those that it measures.
        path: of the file, ``.json`` or ``.mat``.

    Raises:
        ValueError: the name ends in neither.
    """
    evaluator = cfg.test_evaluator
    metrics = evaluator.get("metrics", evaluator) if isinstance(evaluator, dict) else evaluator
    listed: list[dict[str, Any]] = [metrics] if isinstance(metrics, dict) else list(metrics)
    DumpHook(path)  # a wrong name ends here
    hook = dict(type="DumpHook", path=path)
    for metric in listed:
        if "keep_margin" in metric:
            hook["keep_margin"] = metric["keep_margin"]
    cfg.custom_hooks = [*(cfg.get("custom_hooks") or ()), hook]


def set_show(cfg: Config, folder: str, limit: int) -> None:
    """Have what a test finds drawn.

    Args:
        cfg: a loaded config.
        folder: where the pictures go.
        limit: how many images are drawn at most.
    """
    cfg.custom_hooks = [*(cfg.get("custom_hooks") or ()), dict(type="ShowHook", folder=folder, limit=limit)]


def set_report(cfg: Config, folder: str) -> None:
    """Have a report of a test written.

    Args:
        cfg: a loaded config.
        folder: where it goes.
    """
    cfg.custom_hooks = [*(cfg.get("custom_hooks") or ()), dict(type="ReportHook", folder=folder)]


def check_device(name: str | None, argument: str = "--device") -> None:
    """See that a device can be used.

    Args:
        name: as torch knows it; None chooses one later.
        argument: that names it, for the message.

    Raises:
        ValueError: it cannot.
    """
    try:
        torch.zeros(1, device=name).cpu()
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for a device
        raise ValueError(f"{argument} {name} cannot be used: {str(error).splitlines()[0]}") from error


class _Runner(ResumableRunner):
    """MMEngine's runner; what fills pages at its start goes to the log file alone.

    These are environment, config and hooks, all logged between the making of the logger and the dumping of the config,
    which are the two methods below.

    Attributes:
        device: where the model is to be, as torch knows it; None = the first GPU if there is one.
        trains: whether it is to train, and not only to test.
    """

    device: str | None = None
    trains: bool = True

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """The model on the device that was asked for, which only a single process can do, or as mmengine does it."""
        return model.to(self.device) if self.device else super().wrap_model(model_wrapper_cfg, model)

    @staticmethod
    def build_dataloader(dataloader: Any, seed: int | None = None, diff_rank_seed: bool = False) -> DataLoader:
        """The loader of a config, whose data set fills a batch."""
        loader = ResumableRunner.build_dataloader(dataloader, seed, diff_rank_seed)
        if isinstance(dataloader, Mapping):
            check_loader(cast(Sized, loader.dataset), dataloader)
        return loader

    def build_evaluator(self, evaluator: Any) -> Evaluator:
        """The evaluator, whose metrics exchange their pairs within the work dir."""
        built = super().build_evaluator(evaluator)
        for metric in built.metrics:
            if metric.collect_dir is None:
                metric.collect_dir = os.path.join(self.work_dir, ".collect")
        return built

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """The logger, whose console is quiet from here on."""
        logger = super().build_logger(*args, **kwargs)
        survive_closed_console(logger)
        logger.info(f"environment, config and the whole log: {self.log_dir}")
        self._quiet = ExitStack()
        self._quiet.enter_context(file_only(logger))
        return logger

    def dump_config(self) -> None:
        """Write the config to the work dir; from here on the console speaks.

        A test leaves the config there that the training wrote, and writes its own, with what is asked of this test
        alone, beside its log.
        """
        own = os.path.basename(self.cfg.filename or "")
        if self.trains or not own or not os.path.exists(os.path.join(self.work_dir, own)):
            super().dump_config()
        elif is_main_process():
            self.cfg.dump(os.path.join(self.log_dir, own))
        self._quiet.close()


# what the processes of a launcher find in their environment; the second says how many they are
_ENVIRONMENT = {"pytorch": ("RANK", "WORLD_SIZE", "LOCAL_RANK"), "slurm": ("SLURM_PROCID", "SLURM_NTASKS")}
_SCRIPTS = {"pytorch": "tools/dist_train.sh or dist_test.sh", "slurm": "tools/slurm_train.sh or slurm_test.sh"}


def count_processes(launcher: str) -> int:
    """How many processes run together, known before they have met.

    Args:
        launcher: ``'none'``, ``'pytorch'`` or ``'slurm'``.
        device: where the model is to be, such as ``'cpu'`` or ``'cuda:1'``; by default the first GPU if there is one.

    Raises:
        ValueError: this process was not started by the launcher, or the launcher chooses the devices.
    """
    if launcher == "none":
        return 1
    if missing := [name for name in _ENVIRONMENT[launcher] if name not in os.environ]:
        raise ValueError(
            f"--launcher {launcher}: the environment lacks {', '.join(missing)}; start by {_SCRIPTS[launcher]}"
        )
    return int(os.environ[_ENVIRONMENT[launcher][1]])


def build_runner(
    cfg: Config, launcher: str = "none", device: str | None = None, trains: bool = True
) -> ResumableRunner:
    """The runner of a checked config, joined to its process group.

    Without GPUs processes talk through gloo. Curves go to TensorBoard where it is installed.

    Args:
        cfg: from :func:`load_config`, with a work dir.
        launcher: ``'none'``, ``'pytorch'`` or ``'slurm'``.
        device: where the model is to be, such as ``'cpu'`` or ``'cuda:1'``; by default the first GPU if there is one.
        trains: whether it is to train; a test alone does not write over the config that a training keeps.

    Raises:
        ValueError: this process was not started by the launcher, or the launcher chooses the devices.
        ConfigError: a switch of the config cannot do what it says.
    """
    count_processes(launcher)
    if device and launcher != "none":
        raise ValueError(f"device {device} is for a single process; those of launcher {launcher} have one each")
    cfg.launcher = launcher
    if "visualizer" not in cfg:
        curves = [dict(type="TensorboardVisBackend")] if importlib.util.find_spec("tensorboard") else []
        cfg.visualizer = dict(type="RunVisualizer", vis_backends=[dict(type="LocalVisBackend"), *curves])
    if hook := stop_early_config(cfg):
        cfg.custom_hooks = [*(cfg.get("custom_hooks") or ()), hook]
        cfg.early_stopping = None  # the config that is kept says it once
    check_switches(cfg, launcher)
    join_processes(cfg, launcher)
    pass_over_broken_torchvision()  # the runner logs its version
    if device and device.startswith("cuda:"):
        torch.cuda.set_device(device)  # where whatever asks for no certain GPU goes
    kind: type[_Runner] = type("_Runner", (_Runner,), dict(device=device, trains=trains))
    return kind.from_cfg(cfg)
