"""Faults of one dict of a config: keys that nothing reads, unknown types, wrong arguments and missing ones."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mmengine.registry import FUNCTIONS, Registry

from aemm import registry as ours
from aemm.registry import UnknownArgumentError, UnknownTypeError, check_arguments, parameters

# the key under which a part stands, and the registry it is built from; the nearest such key decides
_REGISTRY_OF_KEY: dict[str, Registry] = {
    "model": ours.MODELS,
    "data_preprocessor": ours.MODELS,
    "backbone": ours.MODELS,
    "head": ours.MODELS,
    "tta": ours.MODELS,
    "decoder": ours.DECODERS,
    "postprocessors": ours.POSTPROCESSORS,
    "dataset": ours.DATASETS,
    "pipeline": ours.TRANSFORMS,
}
_LISTS = ("postprocessors", "pipeline")
# read by whoever opens a file
_NOT_OURS = ("backend_args", "file_client_args")
# what mmcv tells a layer for normalisation
_TOLD_BY_MMCV = ("num_features", "num_channels", "normalized_shape")
# what a model and a decoder tell their parts
_TOLD = ("in_channels", "channels", "strides", "flip_index", "num_heatmaps")


def near(name: str, known: Collection[str]) -> str:
    """The end of a message: the nearest name, or all there are."""
    found = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {found[0]!r}?" if found else f"known are {', '.join(sorted(known))}."


def key_faults(node: Any, path: str, known: Collection[str]) -> list[str]:
    """Keys of a dict that nothing reads.

    Args:
        node: of the config, or None.
        path: where it stands.
        known: what is read.
    """
    if node is not None and not isinstance(node, Mapping):
        return [f"{path}: must be a dict, got {node!r}"]
    keys = [key for key in node or () if key not in known]
    return [f"{path}.{key}: nothing reads this key; {near(str(key), known)}" for key in keys]


def number_faults(node: Any, path: str, keys: Collection[str], least: int = 1) -> list[str]:
    """Values that must be whole numbers and are not.

    Args:
        node: a dict; keys that it lacks are no fault.
        path: where it stands.
        keys: of the numbers.
        least: the smallest that is allowed.
    """
    values = {key: node[key] for key in keys if key in node} if isinstance(node, Mapping) else {}
    wrong = {key: v for key, v in values.items() if type(v) not in (int, float) or v != v // 1 or v < least}
    return [f"{path}.{key}: must be a whole number from {least}, got {value!r}" for key, value in wrong.items()]


def find_class(kind: Any, registry: Registry) -> Any:
    """The class or function that a ``type`` stands for.

    Raises:
        UnknownTypeError: there is none.
        UnknownArgumentError: it is neither a name nor a class.
    """
    if not isinstance(kind, str):
        if not callable(kind):
            raise UnknownArgumentError(f"must be a name or a class, got {kind!r}")
        return kind
    try:
        found = registry.get(kind)
    except RuntimeError:  # mmengine's answer to a name that is none, such as ''
        found = None
    if found is None:
        known = list(registry.module_dict)
        if registry is FUNCTIONS:
            ours.COLLATE_FUNCTIONS.import_from_location()
            known += [f"aemm.{name}" for name in ours.COLLATE_FUNCTIONS.module_dict]
        raise UnknownTypeError(kind, registry.name, known, [])
    return found


def part_faults(
    node: Any,
    path: str,
    registry: Registry,
    default: str | None = None,
    extra: Collection[str] = (),
    passed: Collection[str] = (),
) -> list[str]:
    """Faults of a dict that a part is built from, not of the dicts within it.

    Args:
        node: the dict.
        path: where it stands.
        registry: that the part is built from.
        default: the type where the dict names none.
        extra: keys that are taken out before the part is built.
        passed: arguments that are added to those of the config.
    """
    if not isinstance(node, Mapping):
        return [f"{path}: must be a dict with a type, got {node!r}"]
    if node.get("_scope_", "aemm") != "aemm":  # of another library, whose registries decide
        return []
    kind = node.get("type", default)
    if kind is None:
        return [f"{path}: has no type, so nothing is built from it"]
    try:
        cls = find_class(kind, registry)
    except (UnknownTypeError, UnknownArgumentError) as error:
        return [f"{path}.type: {error}"]
    arguments = [key for key in node if key not in ("type", "_scope_", *extra)]
    try:
        check_arguments(cls, arguments, path)
    except UnknownArgumentError as error:
        return str(error).splitlines()
    if faults := _value_faults(cls, node, path):
        return faults
    named, _ = parameters(cls)
    needed = [name for name, p in named.items() if p.default is p.empty and p.kind is not p.POSITIONAL_ONLY]
    missing = [name for name in needed if name not in arguments and name not in passed]
    return [f"{path}: {cls.__name__} needs {', '.join(missing)}"] if missing and inspect.isclass(cls) else []


def _value_faults(cls: Any, node: Mapping[str, Any], path: str) -> list[str]:
    """Values that are of another kind than a class of aemm's declares."""
    if not inspect.isclass(cls) or cls.__module__.partition(".")[0] != "aemm":
        return []
    try:
        declared = get_type_hints(cls.__init__)
    except NameError:  # a name that only the type checker knows
        return []
    wrong = [key for key in node if key in declared and not _fits(node[key], declared[key])]
    return [f"{path}.{key}: must be {_in_words(declared[key])}, got {node[key]!r}" for key in wrong]


def _fits(value: Any, declared: Any) -> bool:
    """Is a value of a config what an argument is declared to be? What cannot be judged fits."""
    origin, arguments = get_origin(declared), get_args(declared)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in arguments)
    if origin is Literal:
        return value in arguments
    if declared in (None, type(None)):
        return value is None
    if declared in (int, float):
        return not isinstance(value, bool) and isinstance(value, (int, float) if declared is float else int)
    if declared in (str, bool):
        return isinstance(value, declared)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping)
    if isinstance(origin, type) and issubclass(origin, Sequence):
        inner = arguments[0] if arguments else Any
        return isinstance(value, list | tuple) and all(_fits(one, inner) for one in value)
    return True


def _in_words(declared: Any) -> str:
    """A declared type as a user reads it."""
    if get_origin(declared) in (Union, UnionType):
        return " or ".join(_in_words(one) for one in get_args(declared))
    if get_origin(declared) is Literal:
        return "one of " + ", ".join(map(repr, get_args(declared)))
    words = {int: "a whole number", float: "a number", str: "a text", bool: "True or False", type(None): "None"}
    if isinstance(get_origin(declared), type):
        each = [words[one] for one in get_args(declared)[:1] if one in words]
        kind = "a dict" if issubclass(get_origin(declared), Mapping) else "a list"
        return f"{kind}, each {each[0]}" if each and kind == "a list" else kind
    return words.get(declared, getattr(declared, "__name__", str(declared)))


def nested_faults(node: Any, path: str, registry: Registry, owned: bool = True) -> Iterator[str]:
    """Faults of a model or data set and of all the parts within it.

    Args:
        node: the dict, or a list of such.
        path: where it stands.
        registry: of ``node``; keys such as ``decoder`` and ``pipeline`` have their own.
        owned: a class of aemm's or mmengine's builds it. What a user's class does with a dict is not known: it may
            add arguments, and a ``type`` in it may mean something else.
    """
    if isinstance(node, list | tuple):
        for i, child in enumerate(node):
            yield from nested_faults(child, f"{path}[{i}]", registry, owned)
        return
    if not isinstance(node, Mapping):
        return
    if "type" in node:
        module = _module_of(node["type"], registry)
        if owned:
            yield from part_faults(node, path, registry, passed=_TOLD)
        elif module is None:
            return
        owned = module in ("aemm", "mmengine", "mmcv")
    for key, child in node.items():
        inner = f"{path}.{key}" if path else str(key)
        if key == "init_cfg":
            yield from _initial_faults(child, inner)
        elif key == "norm_cfg" and child is not None:
            yield from part_faults(child, inner, registry, extra=("requires_grad",), passed=_TOLD_BY_MMCV)
        elif key in _REGISTRY_OF_KEY:
            if owned and child is not None:
                yield from _untyped_faults(child, inner, key in _LISTS)
            yield from nested_faults(child, inner, _REGISTRY_OF_KEY[key], owned)
        elif key not in _NOT_OURS:
            yield from nested_faults(child, inner, registry, owned)


def _module_of(kind: Any, registry: Registry) -> str | None:
    """The package that a type comes from; None where the registry does not know it."""
    try:
        return getattr(find_class(kind, registry), "__module__", "").partition(".")[0]
    except (UnknownTypeError, UnknownArgumentError):
        return None


def _untyped_faults(node: Any, path: str, several: bool) -> Iterator[str]:
    """What is no dict with a type, or no list of these, where one is needed."""
    if several and isinstance(node, list | tuple):
        for i, child in enumerate(node):
            if not callable(child):
                yield from _untyped_faults(child, f"{path}[{i}]", False)
    elif several or not isinstance(node, Mapping):
        yield f"{path}: must be a {'list of dicts' if several else 'dict'} with a type, got {node!r}"
    elif "type" not in node:
        yield f"{path}: has no type, so nothing is built from it"


def _initial_faults(node: Any, path: str) -> Iterator[str]:
    """Faults of ``init_cfg``, a dict or a list of dicts, each perhaps with an ``override`` of the same kind."""
    if node is None:
        return
    for i, one in enumerate(node) if isinstance(node, list | tuple) else [(None, node)]:
        place = path if i is None else f"{path}[{i}]"
        yield from part_faults(one, place, ours.WEIGHT_INITIALIZERS, extra=("override",))
        overrides = one.get("override") if isinstance(one, Mapping) else None
        for other in [overrides] if isinstance(overrides, Mapping) else overrides or []:
            if "name" not in other:
                yield f"{place}.override: needs the name of a part of the module"
            elif set(other) != {"name"}:
                yield from part_faults(other, f"{place}.override", ours.WEIGHT_INITIALIZERS, extra=("name",))
