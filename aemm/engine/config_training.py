"""Faults of what training reads besides model and data: loops, optimizer, schedules, hooks, and what they watch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from mmengine import hooks, optim
from mmengine.runner.priority import get_priority
from torch import nn

from aemm import registry as ours
from aemm.engine.config_parts import find_class, key_faults, near, number_faults, part_faults
from aemm.registry import UnknownArgumentError, UnknownTypeError

# the hooks that mmengine adds by itself, and which None takes away
_STANDARD_HOOKS = ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint")
_LOOPS = {"train_cfg": None, "val_cfg": "ValLoop", "test_cfg": "TestLoop"}
_PARAMWISE = (
    "custom_keys",
    "bias_lr_mult",
    "bias_decay_mult",
    "norm_decay_mult",
    "flat_decay_mult",
    "dwconv_decay_mult",
    "dcn_offset_lr_mult",
    "bypass_duplicate",
)
_CLIP: dict[str, Callable[..., Any]] = {"norm": nn.utils.clip_grad_norm_, "value": nn.utils.clip_grad_value_}


def loop_faults(cfg: Mapping[str, Any]) -> Iterator[str]:
    """Faults of ``train_cfg``, ``val_cfg`` and ``test_cfg``."""
    for key, default in _LOOPS.items():
        node = cfg.get(key)
        if node is None:
            continue
        extra: tuple[str, ...] = ()
        if key == "train_cfg":
            if ("type" in node) == ("by_epoch" in node):
                yield f"{key}: needs either a type, such as 'EpochBasedTrainLoop', or by_epoch"
                continue
            extra = () if "type" in node else ("by_epoch",)
            default = "EpochBasedTrainLoop" if node.get("by_epoch") else "IterBasedTrainLoop"
        yield from part_faults(node, key, ours.LOOPS, default, extra, ("runner", "dataloader", "evaluator"))
        yield from number_faults(node, key, ("max_epochs", "max_iters", "val_interval", "val_begin"))


def optimizer_faults(cfg: Mapping[str, Any], trains: bool = True) -> list[str]:
    """Faults of ``optim_wrapper`` and ``param_scheduler``: the names first, then whether they can be built.

    Args:
        cfg: a loaded config.
        trains: whether to build them. The first optimizer of a process has torch import its compiler.
    """
    wrapper = cfg.get("optim_wrapper")
    if wrapper is None:
        return []
    faults = list(_wrapper_faults(wrapper, "optim_wrapper"))
    schedules = list(_schedules(cfg.get("param_scheduler"), "param_scheduler"))
    for path, schedule in schedules:
        added = ("convert_to_iter_based", "epoch_length")
        faults += part_faults(schedule, path, ours.PARAM_SCHEDULERS, extra=added, passed=("optimizer", "param_name"))
    return faults or (_trial_faults(cfg, wrapper, schedules) if trains else [])


def _wrapper_faults(node: Mapping[str, Any], path: str) -> Iterator[str]:
    """Faults of the names in an optimizer wrapper, or in several of them."""
    if "constructor" in node:
        try:
            find_class(node["constructor"], ours.OPTIM_WRAPPER_CONSTRUCTORS)
        except (UnknownTypeError, UnknownArgumentError) as error:
            yield f"{path}.constructor: {error}"
        if node["constructor"] != "DefaultOptimWrapperConstructor":
            return  # which keys it reads is its own affair
    if "optimizer" not in node:
        yield f"{path}: needs an optimizer, such as optimizer=dict(type='Adam', lr=2e-4)"
        return
    extra = ("constructor", "paramwise_cfg")
    yield from part_faults(node, path, ours.OPTIM_WRAPPERS, "OptimWrapper", extra)
    yield from part_faults(node["optimizer"], f"{path}.optimizer", ours.OPTIMIZERS, passed=("params",))
    yield from key_faults(node.get("paramwise_cfg"), f"{path}.paramwise_cfg", _PARAMWISE)
    clip = node.get("clip_grad")
    if clip is not None and not isinstance(clip, Mapping):
        yield f"{path}.clip_grad: must be a dict, such as dict(max_norm=35), got {clip!r}"
    elif clip is not None:
        kind = clip.get("type", "norm")
        if kind not in _CLIP:
            yield f"{path}.clip_grad.type: must be 'norm' or 'value', got {kind!r}"
        else:
            known = [name for name in inspect.signature(_CLIP[kind]).parameters if name != "parameters"]
            yield from key_faults(clip, f"{path}.clip_grad", ["type", *known])


def _schedules(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every schedule with its path: of a dict, a list, or for several optimizers a dict of these."""
    if isinstance(node, list | tuple):
        for i, one in enumerate(node):
            yield f"{path}[{i}]", one
    elif isinstance(node, Mapping) and "type" not in node:
        for name, one in node.items():
            yield from _schedules(one, f"{path}.{name}")
    elif node is not None:
        yield path, node


def _trial_faults(cfg: Mapping[str, Any], wrapper: Mapping[str, Any], schedules: list[tuple[str, Any]]) -> list[str]:
    """What the values make impossible, found by building for one parameter what is torch's and mmengine's."""
    plain = wrapper.get("type", "OptimWrapper") == "OptimWrapper" and "constructor" not in wrapper
    if not plain or not find_class(wrapper["optimizer"]["type"], ours.OPTIMIZERS).__module__.startswith("torch.optim"):
        return []
    faults: list[str] = []
    net = nn.Embedding(1, 1, _weight=torch.zeros(1, 1))  # draws no random number
    built = _try(lambda: optim.build_optim_wrapper(net, dict(wrapper)), "optim_wrapper", faults)
    loop = cfg.get("train_cfg") or {}
    for path, schedule in schedules if built is not None else ():
        if find_class(schedule["type"], ours.PARAM_SCHEDULERS).__module__.startswith("mmengine."):
            end = loop.get("max_epochs") if schedule.get("by_epoch", True) else loop.get("max_iters")
            whole = {"end": end, **schedule} if isinstance(end, int) else dict(schedule)
            added = dict(optimizer=built, epoch_length=1)
            _try(lambda: ours.PARAM_SCHEDULERS.build(whole, default_args=added), path, faults)  # noqa: B023 - called here
    return faults


def _try(build: Callable[[], Any], path: str, faults: list[str]) -> Any:
    """What ``build`` returns; if it fails, its message joins the faults."""
    try:
        return build()
    except Exception as error:  # mmengine and torch answer wrong values by every kind of error
        faults.append(f"{path}: {error.args[0] if error.args else type(error).__name__}")
        return None


def hook_faults(cfg: Mapping[str, Any]) -> list[str]:
    """Faults of ``default_hooks`` and ``custom_hooks``."""
    faults: list[str] = []
    for path, node in _hooks(cfg):
        name = path.partition("default_hooks.")[2]
        if node is None and name:
            if name not in _STANDARD_HOOKS:
                faults.append(f"{path}: None takes away one of mmengine's own hooks, {', '.join(_STANDARD_HOOKS)}")
            continue
        found = part_faults(node, path, ours.HOOKS, extra=("priority",))
        found += _priority_faults(node, path)
        faults += found
        if not found:
            faults += _built_hook_faults(node, path)
    return faults


def _hooks(cfg: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every hook with its path."""
    for name, node in (cfg.get("default_hooks") or {}).items():
        yield f"default_hooks.{name}", node
    for i, node in enumerate(cfg.get("custom_hooks") or ()):
        yield f"custom_hooks[{i}]", node


def _priority_faults(node: Any, path: str) -> list[str]:
    try:
        get_priority(node.get("priority", "NORMAL") if isinstance(node, Mapping) else "NORMAL")
    except (KeyError, ValueError, TypeError):
        return [f"{path}.priority: must be 0 to 100 or a name such as 'LOW', got {node['priority']!r}"]
    return []


def _built_hook_faults(node: Mapping[str, Any], path: str) -> list[str]:
    """What the values of one of mmengine's hooks or of aemm's make impossible."""
    cls = find_class(node["type"], ours.HOOKS)
    arguments = {key: value for key, value in node.items() if key not in ("type", "priority", "_scope_")}
    if cls is hooks.EMAHook:
        known = ("ema_type", "strict_load", "begin_iter", "begin_epoch")
        average = {key: value for key, value in arguments.items() if key not in known}
        average["type"] = node.get("ema_type", "ExponentialMovingAverage")
        if faults := part_faults(average, path, ours.MODELS, passed=("model",)):
            return faults
    faults = []
    if cls.__module__.partition(".")[0] in ("aemm", "mmengine") and cls is not hooks.NPUProfilerHook:
        _try(lambda: cls(**arguments), path, faults)
    return faults


def watched_faults(cfg: Mapping[str, Any]) -> Iterator[str]:
    """A ``save_best`` or ``monitor`` that no metric of the validation can match.

    A metric of aemm names what it gives by ``stats``; of others the prefix alone is compared.
    """
    metrics = [_names(node) for _, node in evaluator_metrics(cfg.get("val_evaluator"), "val_evaluator")]
    if not metrics or None in metrics:
        return
    given = [name for names in metrics for name in names or ()]
    for path, node in _hooks(cfg):
        for key in ("save_best", "monitor"):
            wanted = node.get(key) if isinstance(node, Mapping) else None
            for name in wanted if isinstance(wanted, list | tuple) else [wanted]:
                if isinstance(name, str) and name != "auto" and not any(_matches(name, other) for other in given):
                    last = name.rpartition("/")[2]
                    same = [other for other in given if other.rpartition("/")[2] == last]
                    hint = f"did you mean {same[0]!r}?" if same else near(name, given)
                    yield f"{path}.{key}: no metric of val_evaluator is called {name!r}; {hint}"


def evaluator_metrics(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every metric of an evaluator with its path: of a dict, a list, or a dict with ``metrics``."""
    if isinstance(node, list | tuple):
        for i, one in enumerate(node):
            yield f"{path}[{i}]", one
    elif isinstance(node, Mapping) and "metrics" in node:
        yield from evaluator_metrics(node["metrics"], f"{path}.metrics")
    elif node is not None:
        yield path, node


def _matches(name: str, given: str) -> bool:
    return name.startswith(given[:-1]) if given.endswith("/*") else name == given


def _names(node: Any) -> list[str] | None:
    """What a metric reports, ``prefix/*`` where its class does not say; None if nothing can be said."""
    try:
        cls = find_class(node["type"], ours.METRICS)
        own = cls.__module__.startswith("aemm.")
        stats = ours.METRICS.build(dict(node)).stats if own else None
    except Exception:  # its own faults are listed already
        return None
    prefix = node.get("prefix") or getattr(cls, "default_prefix", None)
    if stats is None:
        return [f"{prefix}/*"] if prefix else None
    return [f"{prefix}/{name}" if prefix else name for name in stats]
