"""Config files as they stand on disk: what cannot be read is said in words, with file and line."""

from __future__ import annotations

import ast
import difflib
import importlib
import json
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

import mmengine
import yaml
from mmengine.config import Config
from mmengine.fileio import YamlHandler, register_handler

import aemm
from aemm.engine.config_check import ConfigError
from aemm.formats.recipes import config_path

_ENDINGS = (".py", ".json", ".yaml", ".yml")
# code that only leads to a fault
_ON_THE_WAY = tuple(
    os.path.dirname(str(module.__file__)) + os.sep for module in (mmengine, json, yaml, importlib, aemm)
)


@register_handler(["yaml", "yml"])
class PlainYamlHandler(YamlHandler):
    """Plain values of YAML and tuples, in place of mmengine's handler, which calls what a tag names."""

    def load_from_fileobj(self, file: IO[str], **kwargs: Any) -> Any:
        """The content of a file; mmengine's own arguments choose a loader, and are passed over."""
        return yaml.load(file, _PlainLoader)


class _PlainLoader(yaml.SafeLoader):  # not the one in C, which a deeply nested file kills
    """YAML as mmengine writes it: a config that was dumped holds tuples."""


_PlainLoader.add_constructor(
    "tag:yaml.org,2002:python/tuple", lambda loader, node: tuple(loader.construct_sequence(node, deep=True))
)


class RunConfig(Config):
    """mmengine's config, whose text is formatted once for all who write it down while it stays as it is."""

    @classmethod
    def of(cls, cfg: Config) -> RunConfig:
        """The same config; they share their values."""
        made = cls.__new__(cls)
        made.__dict__.update(cfg.__dict__)
        return made

    @property
    def pretty_text(self) -> str:
        """The config as a file would say it."""
        values = repr(self.to_dict())
        if self.__dict__.get("_formatted", ("",))[0] != values:
            self.__dict__["_formatted"] = values, super().pretty_text
        return self.__dict__["_formatted"][1]


@dataclass(frozen=True)
class ConfigSource:
    """The text of a config file, and what its own lines do with the names in it.

    Attributes:
        path: of the file.
        text: as it stands.
        tree: its syntax; None for json and yaml, whose lines cannot refer to each other.
    """

    path: str
    text: str
    tree: ast.Module | None

    def bases(self) -> list[str]:
        """The files named by ``_base_``, without those of other packages and those named by a variable."""
        for node in self.tree.body if self.tree else ():
            if isinstance(node, ast.Assign) and any(_is_name(target, "_base_") for target in node.targets):
                try:
                    value = ast.literal_eval(node.value)
                except ValueError:
                    return []
                names = [value] if isinstance(value, str) else list(value)
                return [name for name in names if "::" not in name and "{{" not in name]
        return []

    def sets(self, name: str) -> bool:
        """Does this file itself give ``name`` a value?"""
        return self.tree is None or name in _names(self.tree, ast.Store)

    def uses(self, name: str) -> bool:
        """Does another line of this file read the ``name`` that it sets?"""
        return self.tree is not None and name in _names(self.tree, ast.Load)

    def dead_changes(self) -> list[str]:
        """Names of the bases that this file changes, as in ``_base_.decoder.threshold = 0.2``, and reads nowhere."""
        changed = [name for node in ast.walk(self.tree or ast.Module([], [])) for name in _changes(node)]
        return sorted(
            name for name in set(changed) if len(re.findall(rf"\b_base_\.{name}\b", self.text)) == changed.count(name)
        )


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _names(tree: ast.Module, context: type[ast.expr_context]) -> set[str]:
    """The names that are set, or read, anywhere in a file."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, context)}


def _changes(node: ast.AST) -> Iterator[str]:
    """``x`` for every ``_base_.x…`` that an assignment writes to."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
    for target in targets:
        inner: ast.AST = target
        while isinstance(inner, ast.Attribute | ast.Subscript):
            if isinstance(inner, ast.Attribute) and _is_name(inner.value, "_base_"):
                yield inner.attr
            inner = inner.value


def read_sources(path: str, inherited_by: tuple[str, ...] = ()) -> list[ConfigSource]:
    """A config file and all that it inherits, itself first.

    Args:
        path: the file.
        inherited_by: the files on the way to it.

    Raises:
        ConfigError: one of them is no text, is no Python, or inherits what does not exist or itself.
    """
    place = os.path.abspath(path)
    if place in inherited_by:
        raise ConfigError(f"config {path} inherits itself, by {', '.join(map(os.path.basename, inherited_by))}")
    try:
        with open(place, encoding="utf-8") as file:
            text = file.read()
        tree = ast.parse(text, path) if path.endswith(".py") else None
    except UnicodeDecodeError as error:
        raise ConfigError(f"config {path} is no text in UTF-8 (byte {error.start}); is it a checkpoint?") from error
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"config {path} is no Python: {explain(error)}") from error
    source = ConfigSource(path, text, tree)
    sources = [source]
    for name in source.bases():
        base = os.path.join(os.path.dirname(path), name)
        if not os.path.isfile(base):
            raise ConfigError(f"config {path} inherits {name!r}, but there is no file {os.path.normpath(base)}")
        sources += read_sources(base, (*inherited_by, place))
    return sources


def read_config(path: str) -> tuple[Config, list[ConfigSource]]:
    """A config as mmengine reads it, its ``custom_imports`` done, and the files that it came from.

    Args:
        path: of a file, or the name of a recipe.

    Raises:
        FileNotFoundError: there is no such file, and no such recipe.
        ValueError: several recipes have this name.
        ConfigError: it cannot be read, or one of its imports fails.
    """
    path = config_path(path)
    if os.path.isdir(path):
        raise ConfigError(f"config {path} is a folder; name one of its files")
    if not path.endswith(_ENDINGS):
        raise ConfigError(f"config {path} must end in one of {', '.join(_ENDINGS)}")
    sources = read_sources(path)
    try:
        cfg = RunConfig.of(Config.fromfile(path, import_custom_modules=False))
    except Exception as error:  # a config is a program, which may end in anything
        faults = _absent_names(sources) or [explain(error)]
        raise ConfigError("\n".join(f"config {path} cannot be loaded: {fault}" for fault in faults)) from error
    import_modules(cfg.get("custom_imports"), os.path.dirname(os.path.abspath(path)))
    return cfg, sources


def _absent_names(sources: list[ConfigSource]) -> list[str]:
    """What files read as ``_base_.name`` though nothing that they inherit sets it."""
    faults: list[str] = []
    trees = [source.tree for source in sources if source.tree is not None]
    if len(trees) < len(sources):  # json and yaml say what they set to mmengine alone
        return faults
    for source in sources:
        known = {name for tree in trees if tree is not source.tree for name in _names(tree, ast.Store)}
        for name in sorted(set(re.findall(r"\b_base_\.(\w+)", source.text)) - known):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean _base_.{near[0]}?" if near else ""
            faults.append(f"{source.path} reads _base_.{name}, which no file that it inherits sets{hint}")
    return faults


def import_modules(custom_imports: Mapping[str, Any] | None, folder: str) -> None:
    """Import what a config asks for.

    Args:
        custom_imports: ``imports``, a module or several, and ``allow_failed_imports``.
        folder: of the config, where a module may lie that is not on the path.

    Raises:
        ConfigError: naming every module that fails, with the fault inside it.
    """
    if not custom_imports:
        return
    if not isinstance(custom_imports, Mapping) or "imports" not in custom_imports:
        raise ConfigError(f"custom_imports must be dict(imports=['my_module']), got {custom_imports!r}")
    names = custom_imports["imports"]
    faults = []
    for name in [names] if isinstance(names, str) else names:
        try:
            importlib.import_module(name)
        except Exception as error:
            fault = _import_fault(name, error, folder)
            if custom_imports.get("allow_failed_imports") and isinstance(error, ImportError):
                warnings.warn(f"{fault}; left out, as allow_failed_imports says")
            else:
                faults.append(fault)
    if faults:
        raise ConfigError("\n".join(faults))


def _import_fault(name: str, error: Exception, folder: str) -> str:
    """Why a module cannot be imported: it is not there, or something within it fails."""
    if not isinstance(error, ModuleNotFoundError) or not f"{name}.".startswith(f"{error.name}."):
        remedy = "; install it, or leave it out" if isinstance(error, ModuleNotFoundError) else ""
        return f"custom_imports: {name} cannot be imported: {explain(error)}{remedy}"
    first = name.partition(".")[0]
    if first in sys.modules:
        return f"custom_imports: {first!r} at {sys.modules[first].__file__} has no module {error.name!r}"
    beside = any(os.path.exists(os.path.join(folder, found)) for found in (f"{first}.py", first))
    where = folder if beside else f"FOLDER, the one that holds {first}.py or the package {first}"
    return f"custom_imports: there is no module {error.name!r}; start the command with PYTHONPATH={where}"


def explain(error: Exception) -> str:
    """Type and text of an error, and the last line of the user's own that led to it."""
    said = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename}:{error.lineno})"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if os.path.isfile(f.filename)]
    own = [f for f in frames if not f.filename.startswith(_ON_THE_WAY)]
    place = f" ({own[-1].filename}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {said}{place}"
