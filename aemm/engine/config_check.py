"""Faults of a config, found before anything is built, all of them together, each with the key it stands at."""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Iterator, Mapping, Sized
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import get_world_size, init_dist
from mmengine.registry import FUNCTIONS
from mmengine.runner import Runner
from mmengine.utils.dl_utils import set_multi_processing
from torch.utils.data import DataLoader

from aemm import registry as ours
from aemm.engine.config_parts import find_class, key_faults, near, nested_faults, number_faults, part_faults
from aemm.engine.config_training import (
    evaluator_metrics,
    hook_faults,
    loop_faults,
    optimizer_faults,
    watched_faults,
)
from aemm.engine.early_stopping import early_stopping_fault
from aemm.engine.words import plural
from aemm.registry import UnknownArgumentError, UnknownTypeError


def _names(function: Any, *left_out: str) -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(function).parameters if name not in left_out)


LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
# every top-level key that is read: by the runner's constructor, by mmengine elsewhere, and by aemm
READ_KEYS = (
    *_names(Runner.__init__, "self", "cfg"),
    "custom_imports",
    "model_wrapper_cfg",
    "find_unused_parameters",
    "sync_bn",
    "compile",
    "activation_checkpointing",
    "efficient_conv_bn_eval",
    "early_stopping",
    "runner_type",
    "data_root",
)
# the keys of dicts that no class is built from
_KEYS_OF = {
    "env_cfg": ("cudnn_benchmark", "mp_cfg", "dist_cfg", "resource_limit"),
    "env_cfg.mp_cfg": _names(set_multi_processing, "distributed"),
    "env_cfg.dist_cfg": (*_names(init_dist, "launcher", "kwargs"), *_names(torch.distributed.init_process_group)),
    "randomness": _names(Runner.set_randomness, "self"),
    "auto_scale_lr": ("base_batch_size", "enable"),
    "custom_imports": ("imports", "allow_failed_imports"),
    "compile": _names(torch.compile, "model"),
}
# what training, validation and testing each need together
_TOGETHER = (
    ("train_dataloader", "train_cfg", "optim_wrapper"),
    ("val_dataloader", "val_cfg", "val_evaluator"),
    ("test_dataloader", "test_cfg", "test_evaluator"),
)
_LOADER_KEYS = (
    *_names(DataLoader.__init__, "self", "shuffle"),
    "num_batch_per_epoch",
    "disable_subprocess_warning",
)


# what stands under a key, where it is not None
_SHAPES: dict[tuple[str, ...], tuple[type, ...]] = {
    ("model", "data_preprocessor", *LOADERS): (Mapping,),
    ("train_cfg", "val_cfg", "test_cfg", "optim_wrapper", "default_hooks"): (Mapping,),
    ("env_cfg", "randomness", "auto_scale_lr", "log_processor", "visualizer", "model_wrapper_cfg"): (Mapping,),
    ("param_scheduler", "val_evaluator", "test_evaluator"): (Mapping, list, tuple),
    ("custom_hooks", "activation_checkpointing", "efficient_conv_bn_eval"): (list, tuple),
    ("compile",): (bool, Mapping),
    ("resume", "find_unused_parameters"): (bool,),
    ("work_dir", "load_from", "launcher", "default_scope", "experiment_name", "data_root"): (str,),
}
_WORDS = {Mapping: "a dict", list: "a list", bool: "True or False", str: "a text"}
_NEVER_NONE = ("model", "env_cfg", "randomness")


class ConfigError(ValueError):
    """A config holds faults; the message lists them."""


def is_private(key: str) -> bool:
    """Is a top-level key, by its ``_``, a note of the config's author that nothing has to read?"""
    return key.startswith("_")


def _misshapen(cfg: Mapping[str, Any]) -> dict[str, str]:
    """The faults of top-level keys whose values are of the wrong kind, by key."""
    faults = {}
    for keys, kinds in _SHAPES.items():
        words = " or ".join(_WORDS[kind] for kind in kinds if kind in _WORDS)
        for key in keys:
            missing = key in cfg and cfg[key] is None
            if (missing and key in _NEVER_NONE) or (cfg.get(key) is not None and not isinstance(cfg[key], kinds)):
                faults[key] = f"{key}: must be {words}, got {cfg[key]!r}"
    return faults


def _top_level_faults(cfg: Mapping[str, Any]) -> Iterator[str]:
    """Keys that nothing reads, at the top and in dicts that no class is built from."""
    for key in cfg:
        if key not in READ_KEYS and not is_private(key):
            yield f"{key}: nothing reads this key; {near(key, READ_KEYS)}"
    for path, known in _KEYS_OF.items():
        node: Any = cfg
        for key in path.split("."):
            node = node.get(key) if isinstance(node, Mapping) else None
        if not isinstance(node, bool):  # compile
            yield from key_faults(node, path, known)
    scale = cfg.get("auto_scale_lr") or {}
    if scale.get("enable") and "base_batch_size" not in scale:
        yield "auto_scale_lr: needs base_batch_size, the batch that the learning rate belongs to"
    yield from number_faults(scale, "auto_scale_lr", ("base_batch_size",))
    if "seed" not in cfg.get("randomness", {"seed": None}):
        yield "randomness: needs a seed; seed=None draws one"
    elif cfg.get("randomness", {}).get("seed") is not None:
        yield from number_faults(cfg["randomness"], "randomness", ("seed",), least=0)
    if (scope := cfg.get("default_scope") or ours.MODELS.scope) != ours.MODELS.scope:
        yield (
            f"default_scope: must be {ours.MODELS.scope!r}, whose registries hold the parts, got {scope!r}; a part of "
            "another library is named with its scope, as in type='mmdet.ResNet'"
        )
    level = cfg.get("log_level", "INFO")
    if isinstance(level, str) and not isinstance(logging.getLevelName(level), int):
        yield f"log_level: must be DEBUG, INFO, WARNING or ERROR, got {level!r}"


def _together_faults(cfg: Mapping[str, Any]) -> Iterator[str]:
    """Keys that stand without those that they need."""
    for keys in _TOGETHER:
        missing = [key for key in keys if cfg.get(key) is None]
        if missing and len(missing) < len(keys):
            present = [key for key in keys if key not in missing]
            yield f"{' and '.join(present)}: of no use without {' and '.join(missing)}"
    if cfg.get("param_scheduler") is not None and cfg.get("optim_wrapper") is None:
        yield "param_scheduler: of no use without optim_wrapper"


def _loader_faults(node: Any, path: str) -> Iterator[str]:
    """Faults of what a data loader is built from."""
    yield from key_faults(node, path, _LOADER_KEYS)
    yield from number_faults(node, path, ("batch_size",))
    yield from number_faults(node, path, ("num_workers",), 0)
    for key in ("dataset", "sampler"):
        if node.get(key) is None:
            yield f"{path}: needs a {key}"
    yield from nested_faults({"dataset": node.get("dataset")}, path, ours.DATASETS)
    for key, registry, passed in (
        ("sampler", ours.DATA_SAMPLERS, ("dataset", "seed")),
        ("batch_sampler", ours.DATA_SAMPLERS, ("sampler", "batch_size")),
        ("collate_fn", FUNCTIONS, ()),
        ("worker_init_fn", FUNCTIONS, ()),
    ):
        if node.get(key) is not None and not callable(node[key]):
            yield from part_faults(node[key], f"{path}.{key}", registry, passed=passed)
    if node.get("batch_sampler") is not None:
        if "batch_size" not in node:
            yield f"{path}: batch_sampler needs batch_size"
        if node.get("drop_last"):
            yield f"{path}.drop_last: belongs into batch_sampler where there is one"
    for key, without in (("persistent_workers", False), ("prefetch_factor", None)):
        if node.get(key) and not node.get("num_workers"):
            yield f"{path}.{key}: {node[key]!r} needs workers, but num_workers is 0; set {path}.{key}={without}"


def _evaluator_faults(node: Any, path: str) -> Iterator[str]:
    """Faults of a metric, a list of metrics, or an evaluator with ``metrics``."""
    if isinstance(node, Mapping) and "metrics" in node:
        yield from part_faults(node, path, ours.EVALUATORS, "Evaluator")
    for place, metric in evaluator_metrics(node, path):
        yield from part_faults(metric, place, ours.METRICS)


def _helper_faults(cfg: Mapping[str, Any]) -> Iterator[str]:
    """Faults of what logs, draws and spreads over GPUs."""
    if cfg.get("log_processor") is not None:
        yield from part_faults(cfg["log_processor"], "log_processor", ours.LOG_PROCESSORS, "LogProcessor")
    if cfg.get("model_wrapper_cfg") is not None:
        added = ("module", "device_ids")
        wrapper = cfg["model_wrapper_cfg"]
        yield from part_faults(
            wrapper, "model_wrapper_cfg", ours.MODEL_WRAPPERS, "MMDistributedDataParallel", passed=added
        )
    visualizer = cfg.get("visualizer")
    if visualizer is not None:
        yield from part_faults(visualizer, "visualizer", ours.VISUALIZERS, passed=("name", "save_dir"))
        backends = visualizer.get("vis_backends") or ()
        for i, backend in enumerate(backends if isinstance(backends, list | tuple) else [backends]):
            place = f"visualizer.vis_backends[{i}]"
            yield from part_faults(backend, place, ours.VIS_BACKENDS, extra=("name",), passed=("save_dir",))
    if "runner_type" in cfg:
        try:
            find_class(cfg["runner_type"], ours.RUNNERS)
        except (UnknownTypeError, UnknownArgumentError) as error:
            yield f"runner_type: {error}"


def config_faults(cfg: Mapping[str, Any], trains: bool = True) -> list[str]:
    """Everything that can be seen to be wrong without building model and data.

    These are keys that nothing reads, unknown types, arguments that a class does not take or lacks, values that
    optimizer, schedules and mmengine's hooks refuse, and a watched metric that no evaluator reports.

    Args:
        cfg: a loaded config.
        trains: whether the values of optimizer and schedules matter; to try them takes about a second.
    """
    misshapen, together = _misshapen(cfg), _together_faults(cfg)
    cfg = {key: value for key, value in cfg.items() if key not in misshapen}
    faults = [*misshapen.values(), *_top_level_faults(cfg), *together]
    for key in ("model", "data_preprocessor"):
        faults += nested_faults({key: cfg.get(key)}, "", ours.MODELS)
    for key in LOADERS:
        if cfg.get(key) is not None:
            faults += _loader_faults(cfg[key], key)
    for key in ("val_evaluator", "test_evaluator"):
        faults += _evaluator_faults(cfg.get(key), key)
    faults += loop_faults(cfg)
    faults += optimizer_faults(cfg, trains)
    faults += hook_faults(cfg)
    faults += watched_faults(cfg)
    faults += _helper_faults(cfg)
    if fault := early_stopping_fault(cfg):
        faults.append(fault)
    return faults


def raise_faults(faults: list[str], filename: str | None = None) -> None:
    """Raise if there are faults.

    Raises:
        ConfigError: listing them.
    """
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise ConfigError(f"config {filename or ''} has {plural(len(faults), 'fault')}:\n{listed}")


def check_config(cfg: Config) -> None:
    """Raise if a config holds a fault.

    Raises:
        ConfigError: listing every fault with its key.
    """
    raise_faults(config_faults(cfg.to_dict()), cfg.filename)


def check_loader(dataset: Sized, loader: Mapping[str, Any], processes: int | None = None) -> None:
    """Raise if no batch comes out of a data set.

    Args:
        dataset: that was built.
        loader: the config of its data loader.
        processes: that share the data; None = those of this run.

    Raises:
        ConfigError: it is empty, or with ``drop_last`` smaller than a batch.
    """
    count, processes = len(dataset), processes or get_world_size()
    size = loader.get("batch_size", 1)
    kind = type(dataset).__name__
    if not count:
        raise ConfigError(f"the data set ({kind}) holds no sample")
    share = math.ceil(count / processes)
    if loader.get("drop_last") and loader.get("batch_sampler") is None and share < size:
        of = f", {share} for each of {processes} processes" if processes > 1 else ""
        raise ConfigError(
            f"the data set ({kind}) has {count} samples{of}, which fill no batch of {size}, and drop_last leaves out "
            f"what is not full; set batch_size to {share} at most, or drop_last=False"
        )
