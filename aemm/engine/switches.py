"""Switches of a training that cannot do what they say are refused before anything is built."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from mmengine.config import Config

from aemm.engine.config_check import ConfigError

TIMEOUT = 1800  # seconds that a process waits for the others, unless env_cfg.dist_cfg.timeout says so
_DDP = ("MMDistributedDataParallel", "DistributedDataParallel")


def _sharding(cfg: Config, launcher: str) -> Iterator[str]:
    for key in ("strategy", "runner_type"):
        if cfg.get(key):
            yield f"{key}={cfg[key]!r} would be passed over, and every process would keep the whole model; leave it out"
    wrapper = (cfg.get("model_wrapper_cfg") or {}).get("type", _DDP[0])
    if str(wrapper).split(".")[-1] not in _DDP:
        yield (
            f"model_wrapper_cfg.type={wrapper!r}: only {_DDP[0]} is supported; mmengine's runner saves on the first "
            "process alone, which would wait for ever for the shards of the others. To save memory, take "
            "model.backbone.with_cp=True or optim_wrapper.type='AmpOptimWrapper'"
        )


def _processes(cfg: Config, launcher: str) -> Iterator[str]:
    if launcher == "slurm" and not torch.cuda.is_available():
        yield "--launcher slurm needs GPUs; start processes on CPUs with torchrun and --launcher pytorch"
    timeout = _timeout(cfg)
    if not isinstance(timeout, int | float) or timeout <= 0:
        yield f"env_cfg.dist_cfg.timeout must be a positive number of seconds, got {timeout!r}"
    if (kind := cfg.get("sync_bn")) not in (None, "torch"):
        yield f"sync_bn must be 'torch' or None, got {kind!r}"


def _steps(cfg: Config, launcher: str) -> Iterator[str]:
    wrapper = cfg.get("optim_wrapper") or {}
    gathered = wrapper.get("accumulative_counts", 1)
    if not isinstance(gathered, int) or isinstance(gathered, bool) or gathered < 1:
        yield f"optim_wrapper.accumulative_counts must be 1 or more iterations, got {gathered!r}"
    if (cfg.get("auto_scale_lr") or {}).get("enable"):
        yield (
            "auto_scale_lr.enable=True: mmengine would count neither gathered gradients nor iterations; call "
            "aemm.engine.fit_batch(cfg, processes) first, as `aemm train` does"
        )
    if wrapper.get("dtype") == "bfloat16" and torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        yield "optim_wrapper.dtype='bfloat16': this GPU has no such type; take 'float16'"


def _compiling(cfg: Config, launcher: str) -> Iterator[str]:
    options = cfg.get("compile")
    if not options:
        return
    if options is not True and not isinstance(options, dict):
        yield f"compile must be True or options of torch.compile, got {options!r}"
        return
    backend = "inductor" if options is True else options.get("backend", "inductor")
    known = torch.compiler.list_backends(exclude_tags=())
    if isinstance(backend, str) and backend not in known:
        yield f"compile.backend must be one of {', '.join(known)}, got {backend!r}"
    elif backend == "inductor" and not torch.cuda.is_available() and not any(map(shutil.which, ("g++", "clang++"))):
        yield "compile=True needs a C++ compiler (g++ or clang++) on a CPU; there is none on the PATH"


_CHECKS: tuple[Callable[[Config, str], Iterator[str]], ...] = (_sharding, _processes, _steps, _compiling)


def check_switches(cfg: Config, launcher: str = "none") -> None:
    """Raise if a switch of the config cannot do what it says, by itself or beside the others.

    Args:
        cfg: a loaded config.
        launcher: ``'none'``, ``'pytorch'`` or ``'slurm'``.

    Raises:
        ConfigError: listing each with what to do.
    """
    if faults := [fault for check in _CHECKS for fault in check(cfg, launcher)]:
        raise ConfigError("\n".join(["this training cannot run as configured:", *(f"  - {f}" for f in faults)]))


def _timeout(cfg: Config) -> Any:
    return cfg.get("env_cfg", {}).get("dist_cfg", {}).get("timeout", TIMEOUT)


def join_processes(cfg: Config, launcher: str) -> None:
    """On a CPU, join the other processes through gloo, which mmengine starts on GPUs alone.

    A process that waits for the others longer than ``env_cfg.dist_cfg.timeout`` seconds ends with an error,
    and with it the job.

    Args:
        cfg: its ``model_wrapper_cfg`` is completed.
        launcher: ``'none'``, ``'pytorch'`` or ``'slurm'``.
    """
    if launcher == "none" or torch.cuda.is_available():
        return
    if not dist.is_initialized():
        wait = timedelta(seconds=_timeout(cfg))
        store, rank, world = next(dist.rendezvous("env://", timeout=wait))
        # torchrun keeps its store when it starts processes again, with the addresses of those that ended
        store = dist.PrefixStore(f"start_{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=wait)
    unused = cfg.get("find_unused_parameters", False)
    plain = dict(type=_DDP[0], broadcast_buffers=False, find_unused_parameters=unused)
    cfg.model_wrapper_cfg = {**plain, **(cfg.get("model_wrapper_cfg") or {}), "device_ids": None}
