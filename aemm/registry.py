"""aemm's registries: children of mmengine's, filled on first use.

Each names the packages it is filled from, so that nothing need be imported by hand. Code outside the
package joins through ``custom_imports`` in a config.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable
from typing import Any

from mmengine import registry as root
from mmengine.registry import Registry

# types that became settings of others
_REPLACED = {"HeatmapHead": "type='AEHead', tag_dims=0"}


class UnknownTypeError(ValueError):
    """A config names a ``type`` that no registry knows."""

    def __init__(self, name: str, registry: str, known: list[str], locations: list[str]) -> None:
        """Keep the name, so that a caller who has the whole config can say where it stands."""
        self.name = name
        if name in _REPLACED:
            super().__init__(f"type {name!r} is gone: write {_REPLACED[name]} (docs/upgrading.md)")
            return
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it knows {', '.join(sorted(known))}."
        message = (
            f"type {name!r} is not in the registry {registry!r} (filled from {', '.join(locations) or 'nothing'}); "
            f"{hint} A class of your own joins by custom_imports=dict(imports=['your_module']) in the config."
        )
        super().__init__(message)


class UnknownArgumentError(ValueError):
    """A config passes a class an argument that it does not have."""


class AemmRegistry(Registry):
    """A child registry whose errors name what was expected."""

    def import_from_location(self) -> None:
        """Import what fills this registry; one that names nothing is filled by others, which mmengine would warn of."""
        if self._locations:
            super().import_from_location()

    def get(self, key: str) -> Any:
        """The class registered as ``key`` here or in a parent.

        Raises:
            UnknownTypeError: nothing is registered under that name.
        """
        named = all(word.isidentifier() for word in key.split("."))  # mmengine imports what stands before a dot
        found = super().get(key) if named else None
        if found is None:
            known, node = list(self.module_dict), self.parent
            while node is not None:
                known += list(node.module_dict)
                node = node.parent
            raise UnknownTypeError(key, f"{self.scope}::{self.name}", known, list(self._locations))
        return found


def parameters(cls: Any) -> tuple[dict[str, inspect.Parameter], bool]:
    """What a class or function can be called with: its named parameters, and whether it takes any others.

    A class of aemm, mmengine, mmcv or torch that takes ``**kwargs`` hands them to the class it inherits from, whose
    parameters count, too. What a class from elsewhere does with them is not known.

    Args:
        cls: a class or function.
    """
    if not inspect.isclass(cls):
        found = list(inspect.signature(cls).parameters.values())
        return {p.name: p for p in found if p.kind not in _VARIABLE}, any(p.kind is p.VAR_KEYWORD for p in found)
    named: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__[:-1]:
        if "__init__" not in vars(base):
            continue
        _, *found = inspect.signature(vars(base)["__init__"]).parameters.values()  # without self
        named = {p.name: p for p in found if p.kind not in _VARIABLE} | named
        if not any(p.kind is p.VAR_KEYWORD for p in found):
            return named, False
        if base.__module__.partition(".")[0] not in ("aemm", "mmengine", "mmcv", "torch"):
            return named, True
    return named, cls.__name__ not in _TAKES_NO_MORE


_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
# hands what it does not know to a function that takes no more either, once it saves for the first time
_TAKES_NO_MORE = ("CheckpointHook",)


def check_arguments(cls: Any, arguments: Iterable[str], where: str) -> None:
    """Raise if ``arguments`` holds a name that the constructor of ``cls`` does not take.

    Args:
        cls: a class or function.
        arguments: names of keyword arguments as they stand in a config, without ``type``.
        where: the place in the config, for the message.

    A class that once took other arguments says in ``moved_arguments`` what came in their place.

    Raises:
        UnknownArgumentError: a line for each, with the nearest names that exist.
    """
    known, more = parameters(cls)
    moved = getattr(cls, "moved_arguments", {})
    faults = []
    for name in [] if more else arguments:
        if name in moved:
            faults.append(f"{where}: {cls.__name__} no longer has the argument {name!r}; {moved[name]}")
        elif name not in known:
            near = difflib.get_close_matches(str(name), known, n=2, cutoff=0.6)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it takes {', '.join(known)}."
            faults.append(f"{where}: {cls.__name__} has no argument {name!r}; {hint}")
    if faults:
        raise UnknownArgumentError("\n".join(faults))


def _child(name: str, parent: Registry | None, *locations: str) -> AemmRegistry:
    return AemmRegistry(name, parent=parent, scope="aemm", locations=[f"aemm.{place}" for place in locations])


MODELS = _child("model", root.MODELS, "models")
DECODERS = _child("decoder", None, "models.decoders")
DATASETS = _child("dataset", root.DATASETS, "datasets")
TRANSFORMS = _child("transform", root.TRANSFORMS, "datasets.transforms")
DATA_SAMPLERS = _child("data sampler", root.DATA_SAMPLERS, "datasets")
COLLATE_FUNCTIONS = _child("function", root.FUNCTIONS, "datasets")
METRICS = _child("metric", root.METRICS, "evaluation")
POSTPROCESSORS = _child("postprocessor", None, "postprocess")
HOOKS = _child("hook", root.HOOKS, "engine")
OPTIM_WRAPPERS = _child("optimizer wrapper", root.OPTIM_WRAPPERS, "engine")
LOOPS = _child("loop", root.LOOPS, "engine")
VISUALIZERS = _child("visualizer", root.VISUALIZERS, "engine")

# aemm adds nothing to these, but a registry of its own lets a project do so, and spares the user a warning
RUNNERS = _child("runner", root.RUNNERS)
MODEL_WRAPPERS = _child("model wrapper", root.MODEL_WRAPPERS)
WEIGHT_INITIALIZERS = _child("weight initializer", root.WEIGHT_INITIALIZERS)
OPTIMIZERS = _child("optimizer", root.OPTIMIZERS)
OPTIM_WRAPPER_CONSTRUCTORS = _child("optimizer wrapper constructor", root.OPTIM_WRAPPER_CONSTRUCTORS)
PARAM_SCHEDULERS = _child("parameter scheduler", root.PARAM_SCHEDULERS)
EVALUATORS = _child("evaluator", root.EVALUATOR)
LOG_PROCESSORS = _child("log processor", root.LOG_PROCESSORS)
VIS_BACKENDS = _child("visualization backend", root.VISBACKENDS)
