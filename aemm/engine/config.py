"""From a config file and overrides to a checked config, and the views of its test."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope

from aemm.engine.config_check import LOADERS, READ_KEYS, ConfigError, config_faults, is_private, raise_faults
from aemm.engine.config_file import ConfigSource, import_modules, read_config
from aemm.engine.config_parts import find_class
from aemm.registry import MODELS, TRANSFORMS, UnknownTypeError, parameters


def load_config(path: str, options: Mapping[str, Any] | None = None, trains: bool = True) -> Config:
    """A config file with overrides applied and checked, its scope active.

    What remains is what something reads. The variables of a config, such as a pipeline that a recipe splices into its
    loaders, are dropped once they have been spliced in: an override of them would change nothing, and is refused.
    Names that begin with ``_`` are notes, kept and never read.

    Args:
        path: the file, or the name of a recipe, such as ``pose/hrnet_w32_coco_512``.
        options: dotted keys and values, as ``--cfg-options`` gives them. ``data_root`` reaches every data set.
        trains: whether the values of optimizer and schedules are tried, too, which predictions never read.

    Raises:
        FileNotFoundError: there is no such file or recipe.
        ValueError: several recipes have this name.
        ConfigError: it cannot be read, or listing all its faults and those of the overrides.
    """
    cfg, sources = read_config(path)
    faults = [f"_base_.{name}: {path} changes it, but nothing reads it" for name in sources[0].dead_changes()]
    faults += _spread_data_root(cfg, sources)
    variables = _drop_variables(cfg, sources)
    for option, value in (options or {}).items():
        faults += _override(cfg, option, value, variables)
    if any(option.startswith("custom_imports") for option in options or {}):
        import_modules(cfg.custom_imports, os.getcwd())
    init_default_scope(cfg.get("default_scope", "aemm"))
    raise_faults(faults + config_faults(cfg.to_dict(), trains), path)
    return cfg


def _drop_variables(cfg: Config, sources: Sequence[ConfigSource]) -> dict[str, Any]:
    """Take out what only other lines of the config read, and return it.

    A name that the file itself sets must be read in that file; what it inherits is on offer, unless it looks like a
    misspelt key. In a file without bases, as mmengine writes them, a copy of what stands in the config elsewhere is
    what was spliced once.
    """
    top, read = sources[0], {key: cfg[key] for key in cfg if key in READ_KEYS}
    variables = {}
    for name in [key for key in cfg if key not in READ_KEYS and not is_private(key)]:
        misspelt = bool(difflib.get_close_matches(name, READ_KEYS, n=1, cutoff=0.8))
        used = top.uses(name) if top.sets(name) else not misspelt or any(source.uses(name) for source in sources)
        copied = len(sources) == 1 and isinstance(cfg[name], Mapping | list) and cfg[name] and _places(cfg[name], read)
        if used or (copied and not misspelt):
            variables[name] = cfg.pop(name)
    return variables


def _override(cfg: Config, option: str, value: Any, variables: Mapping[str, Any]) -> list[str]:
    """Apply one override; its fault, if it has one."""
    first, _, rest = option.partition(".")
    said = f"--cfg-options {option}"
    if first in variables:
        places = [f"{place}.{rest}" if rest else place for place in _places(variables[first], cfg, first)]
        hint = f"what it held is read at {' and '.join(places)}" if places else "override the keys that it went to"
        return [f"{said}: nothing reads {first!r}, a variable of the config; {hint}"]
    if first not in cfg and first not in READ_KEYS and not is_private(first):
        near = difflib.get_close_matches(first, [*cfg, *READ_KEYS], n=1, cutoff=0.7)
        return [f"{said}: the config has no {first!r}{f', did you mean {near[0]!r}?' if near else ''}"]
    if option == "data_root":
        return _move_data(cfg, str(value))
    if fault := _no_place(cfg, option.split("."), value):
        return [f"{said}: {fault}"]
    cfg.merge_from_dict({option: value})
    return []


def _no_place(node: Any, keys: Sequence[str], value: Any) -> str | None:
    """Why a value cannot stand at the dotted keys; None if it can."""
    for depth, key in enumerate(keys):
        path = ".".join(keys[:depth])
        if isinstance(node, list):
            if not key.isdigit() or int(key) >= len(node):
                return f"{path} is a list of {len(node)}; name one by its number, from 0, or give a whole list"
            node = node[int(key)]
        elif not isinstance(node, Mapping | Config):
            return f"{path} is {node!r}, which has no {key!r}"
        elif key not in node:
            return None
        else:
            node = node[key]
    if isinstance(value, Mapping) and "_delete_" not in value and not isinstance(node, Mapping):
        return f"it is {node!r}, into which no dict can be merged; dict(_delete_=True, …) takes its place"
    return None


def _places(value: Any, node: Any, name: str = "", path: str = "") -> list[str]:
    """The dotted keys at which a variable's value stands in a config, or a key of its name."""
    if path and (_holds(node, value) or path.rpartition(".")[2] == name):
        return [path]
    children = node.items() if isinstance(node, Mapping | Config) else []
    if isinstance(node, list | tuple):
        children = enumerate(node)
    return [found for key, child in children for found in _places(value, child, name, f"{path}.{key}".lstrip("."))]


def _holds(node: Any, value: Any) -> bool:
    """Is ``value`` here, or for a dict at least all its items?"""
    if isinstance(value, Mapping):
        return isinstance(node, Mapping) and all(key in node and node[key] == value[key] for key in value)
    return isinstance(value, list | str) and node == value


def _data_sets(cfg: Config) -> list[Any]:
    """All dicts within the loaders that have a ``data_root``."""
    return [node for key in LOADERS if key in cfg for node in _dicts(cfg[key]) if "data_root" in node]


def _dicts(node: Any) -> Iterator[Any]:
    if isinstance(node, Mapping):
        yield node
    for child in node.values() if isinstance(node, Mapping) else node if isinstance(node, list | tuple) else ():
        yield from _dicts(child)


def _spread_data_root(cfg: Config, sources: Sequence[ConfigSource]) -> list[str]:
    """Give all data sets a ``data_root`` that a config sets anew over the one it inherits; its fault, if it has one."""
    setter = next((source for source in sources if source.sets("data_root")), None)
    if setter is None or setter.tree is None or setter.uses("data_root"):
        return []  # its own lines put it where it belongs
    roots = {node["data_root"] for node in _data_sets(cfg)} - {cfg["data_root"]}
    if len(roots) > 1:
        return [f"data_root: the data sets have several, {', '.join(sorted(roots))}; set that of each loader's dataset"]
    for node in _data_sets(cfg):
        node["data_root"] = cfg["data_root"]
    return []


def _move_data(cfg: Config, root: str) -> list[str]:
    """Override the top-level ``data_root`` and that of all data sets that have the same; the fault, if it is none."""
    moved = [node for node in _data_sets(cfg) if node["data_root"] == cfg.get("data_root", node["data_root"])]
    if not moved:
        return ["--cfg-options data_root: no data set of this config reads it"]
    for node in moved:
        node["data_root"] = root
    cfg.data_root = root
    return []


def set_views(cfg: Config, scales: Sequence[float] | None, flip: bool | None) -> None:
    """Choose the scales of the test and whether it looks at mirror images, in place; validation changes alike.

    Args:
        cfg: a loaded config.
        scales: see :class:`aemm.datasets.transforms.ResizeToFit`; None keeps those of the config.
        flip: see :class:`aemm.models.TestTimeAugmentation`; None keeps what the config says. Without test-time
            augmentation nothing is mirrored, so that False is fulfilled.

    Raises:
        ConfigError: the scales are none, or model or pipeline cannot do it.
    """
    if scales is not None:
        _set_scales(cfg, scales)
    tta = cfg.get("model", {}).get("tta")
    if flip not in (None, True, False):
        raise ConfigError(f"flip must be True, False or None, got {flip!r}")
    if flip is None or (tta is None and not flip):
        return
    if tta is None:
        raise ConfigError(
            "flip: the model has no test-time augmentation, so nothing is mirrored; add "
            "tta=dict(type='TestTimeAugmentation', flip=True) to the model"
        )
    if not _takes(tta, MODELS, "flip"):
        raise ConfigError(f"flip: model.tta is a {tta.get('type')}, which has no argument flip")
    tta["flip"] = bool(flip)


def _set_scales(cfg: Config, scales: Sequence[float]) -> None:
    """The scales of every step of the test's and the validation's pipeline that makes views."""
    views = tuple(scales) if isinstance(scales, Iterable) and not isinstance(scales, str) else ()
    fine = all(isinstance(scale, Real) and math.isfinite(scale) and scale > 0 for scale in views)
    if not views or not fine or len(set(views)) < len(views):
        raise ConfigError(f"scales must be one or more different positive numbers, got {list(views) or scales!r}")
    for key in ("test_dataloader", "val_dataloader"):
        steps = [step for step in _dicts(cfg.get(key)) if "type" in step and _takes(step, TRANSFORMS, "scales")]
        if not steps and key == "test_dataloader":
            raise ConfigError(
                f"scales: no step of {key}.dataset.pipeline makes views of an image; add "
                "dict(type='ResizeToFit', size=512, square=True) with the size that the model was trained at"
            )
        for step in steps:
            step["scales"] = tuple(map(float, views))


def _takes(node: Mapping[str, Any], registry: Any, argument: str) -> bool:
    """Does the class of a dict take this argument?"""
    try:
        return argument in parameters(find_class(node["type"], registry))[0]
    except (KeyError, UnknownTypeError):
        return False
