"""Faults of a config, found before anything is built, each with the key it stands at."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import FUNCTIONS, Registry
from mmengine.runner import Runner

from aemm import registry as ours
from aemm.registry import UnknownArgumentError, UnknownTypeError, check_arguments

# the key under which a part stands, and the registry it is built from; the nearest such key decides
_REGISTRY_OF_KEY: dict[str, Registry] = {
    "model": ours.MODELS,
    "decoder": ours.DECODERS,
    "postprocessors": ours.POSTPROCESSORS,
    "dataset": ours.DATASETS,
    "pipeline": ours.TRANSFORMS,
    "sampler": ours.DATA_SAMPLERS,
    "collate_fn": ours.COLLATE_FUNCTIONS,
    "val_evaluator": ours.METRICS,
    "test_evaluator": ours.METRICS,
    "default_hooks": ours.HOOKS,
    "custom_hooks": ours.HOOKS,
}
# built from elsewhere, with arguments that are checked where they are built
_NOT_OURS = ("init_cfg", "norm_cfg", "optim_wrapper", "param_scheduler", "visualizer", "log_processor")
# arguments that are passed by the code, not by the config
_OF_CONFIG = (
    "custom_imports",
    "default_scope",
    "env_cfg",
    "auto_scale_lr",
    "find_unused_parameters",
    "sync_bn",
    "compile",
)


class ConfigError(ValueError):
    """A config holds faults; the message lists them."""


def _typed(node: Any, path: str, registry: Registry | None) -> Iterator[tuple[str, Mapping[str, Any], Registry]]:
    """All dicts with a ``type``, with their path and registry."""
    if isinstance(node, Mapping):
        if registry is not None and isinstance(node.get("type"), str):
            yield path, node, registry
        for key, child in node.items():
            if key not in _NOT_OURS:
                inner = _REGISTRY_OF_KEY.get(str(key), registry)
                yield from _typed(child, f"{path}.{key}" if path else str(key), inner)
    elif isinstance(node, list | tuple):
        for i, child in enumerate(node):
            yield from _typed(child, f"{path}[{i}]", registry)


def _top_level_faults(cfg: Mapping[str, Any]) -> list[str]:
    """Keys nothing reads, that look like a key of the runner."""
    known = [name for name in inspect.signature(Runner.__init__).parameters if name not in ("self", "cfg")]
    known += list(_OF_CONFIG)
    faults = []
    for key in cfg:
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.8)
        if key not in known and near:
            faults.append(f"{key}: nothing reads this key; did you mean {near[0]!r}?")
    return faults


def config_faults(cfg: Mapping[str, Any]) -> list[str]:
    """Everything that can be seen to be wrong without building: unknown types, arguments and top-level keys.

    Args:
        cfg: a loaded config.
    """
    faults = _top_level_faults(cfg)
    for path, node, registry in _typed(cfg, "", None):
        arguments = {key: value for key, value in node.items() if key not in ("type", "_scope_")}
        try:
            lookup = FUNCTIONS if registry is ours.COLLATE_FUNCTIONS and "." in node["type"] else registry
            check_arguments(lookup.get(node["type"]), arguments, path)
        except UnknownTypeError as error:
            faults.append(f"{path}.type: {error}")
        except UnknownArgumentError as error:
            faults.append(str(error))
    return faults


def check_config(cfg: Config) -> None:
    """Raise if the config holds a fault.

    Raises:
        ConfigError: listing every fault with its key.
    """
    faults = config_faults(cfg.to_dict())
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise ConfigError(f"config {cfg.filename or ''} has {len(faults)} fault{'s' * (len(faults) > 1)}:\n{listed}")
