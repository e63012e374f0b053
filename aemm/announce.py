"""Tells mmengine of aemm, so that ``mmengine.hub.get_config("aemm::pose/hrnet_w32_coco_512.py")`` finds its recipes.

mmengine serves the packages of a white list alone, and asks ``pkg_resources`` where they lie. Neither is imported for
it, which would take seconds: what is to be told is told once somebody else has imported them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_NAME = "aemm"
_FOLDER = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # that of the package


def _join_white_list(module: Any) -> None:
    """Let mmengine's hub and its configs name recipes of aemm."""
    module.MODULE2PACKAGE.setdefault(_NAME, _NAME)


def _say_where(module: Any) -> None:
    """Correct the place of aemm, which for an editable install is that of its metadata alone."""
    known = module.working_set.by_key.get(_NAME)
    if known is not None and os.path.realpath(known.location) != _FOLDER:
        here = module.Distribution(location=_FOLDER, project_name=_NAME, version=known.version)
        module.working_set.add(here, insert=False, replace=True)


_AFTER: dict[str, Callable[[Any], None]] = {"mmengine.config.utils": _join_white_list, "pkg_resources": _say_where}


class _Listener(MetaPathFinder):
    """Finds nothing itself, but has something done once one of a few modules was imported, or was so again."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders find, its loader extended by the deed."""
        if fullname not in _AFTER:
            return None
        others = (finder for finder in sys.meta_path if not isinstance(finder, _Listener))
        spec = next(filter(None, (finder.find_spec(fullname, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def extended(module: ModuleType) -> None:
                execute(module)
                _AFTER[fullname](module)

            spec.loader.exec_module = extended  # type: ignore[method-assign]
        return spec


def announce() -> None:
    """Tell of aemm what is imported already, and the rest when it is."""
    for name, tell in _AFTER.items():
        if name in sys.modules:
            tell(sys.modules[name])
    if not any(isinstance(finder, _Listener) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Listener())
