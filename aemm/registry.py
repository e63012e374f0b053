"""aemm's registries: children of mmengine's, filled on first use.

Each names the packages it is filled from, so that nothing need be imported by hand. Code outside the
package joins through ``custom_imports`` in a config.
"""

from __future__ import annotations

import difflib
import inspect
from typing import Any

from mmengine import registry as root
from mmengine.registry import Registry


class UnknownTypeError(KeyError):
    """A config names a ``type`` that no registry knows."""

    def __init__(self, name: str, registry: str, known: list[str], locations: list[str]) -> None:
        """Keep the name, so that a caller who has the whole config can say where it stands."""
        self.name = name
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it knows {', '.join(sorted(known))}"
        message = (
            f"type {name!r} is not in the registry {registry!r} (filled from {', '.join(locations) or 'nothing'}); "
            f"{hint} A class of your own joins by custom_imports=dict(imports=['your_module']) in the config."
        )
        super().__init__(message)

    def __str__(self) -> str:
        """The message as it stands, without the quotes that KeyError adds."""
        return str(self.args[0])


class UnknownArgumentError(TypeError):
    """A config passes a class an argument that it does not have."""


class AemmRegistry(Registry):
    """A child registry whose errors name what was expected."""

    def get(self, key: str) -> Any:
        """The class registered as ``key`` here or in a parent.

        Raises:
            UnknownTypeError: nothing is registered under that name.
        """
        found = super().get(key)
        if found is None:
            known, node = list(self.module_dict), self.parent
            while node is not None:
                known += list(node.module_dict)
                node = node.parent
            raise UnknownTypeError(key, f"{self.scope}::{self.name}", known, list(self._locations))
        return found


def check_arguments(cls: Any, arguments: dict[str, Any], where: str) -> None:
    """Raise if ``arguments`` holds a name that the constructor of ``cls`` does not take.

    Args:
        cls: a class or function.
        arguments: keyword arguments as they stand in a config, without ``type``.
        where: the place in the config, for the message.

    Raises:
        UnknownArgumentError: with the nearest names that exist.
    """
    signature = inspect.signature(cls)
    if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        return
    for name in arguments:
        if name not in signature.parameters:
            known = [n for n in signature.parameters if n != "self"]
            near = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it takes {', '.join(known)}."
            raise UnknownArgumentError(f"{where}: {cls.__name__} has no argument {name!r}; {hint}")


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
LOOPS = _child("loop", root.LOOPS, "engine")

# aemm adds nothing to these, but a registry of its own lets a project do so, and spares the user a warning
RUNNERS = _child("runner", root.RUNNERS)
MODEL_WRAPPERS = _child("model wrapper", root.MODEL_WRAPPERS)
WEIGHT_INITIALIZERS = _child("weight initializer", root.WEIGHT_INITIALIZERS)
OPTIMIZERS = _child("optimizer", root.OPTIMIZERS)
OPTIM_WRAPPERS = _child("optimizer wrapper", root.OPTIM_WRAPPERS)
OPTIM_WRAPPER_CONSTRUCTORS = _child("optimizer wrapper constructor", root.OPTIM_WRAPPER_CONSTRUCTORS)
PARAM_SCHEDULERS = _child("parameter scheduler", root.PARAM_SCHEDULERS)
EVALUATORS = _child("evaluator", root.EVALUATOR)
LOG_PROCESSORS = _child("log processor", root.LOG_PROCESSORS)
VISUALIZERS = _child("visualizer", root.VISUALIZERS)
VIS_BACKENDS = _child("visualization backend", root.VISBACKENDS)
