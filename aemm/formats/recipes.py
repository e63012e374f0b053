"""The recipes that come with aemm: configs by name, and what ``model-index.yml`` tells of them.

They lie in ``aemm/.mim`` beside configs and tools, where OpenMMLab's tools look for them; in a checkout, that folder
links to those of the project.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HOME = Path(__file__).resolve().parents[1] / ".mim"
_INDEX = "model-index.yml"
# an address within a config, as mmengine writes it, or within a checkout, as the documentation does
_BEFORE_NAME = re.compile(r"^(?:aemm::|\./)?(?:configs/)?")


@dataclass(frozen=True)
class Figure:
    """A published result.

    Attributes:
        dataset: which was tested.
        metric: its name, such as AP.
        value: from 0 to 1.
        test: the settings of the test, such as ``'flip, scales 2 1 0.5'``.
    """

    dataset: str
    metric: str
    value: float
    test: str


@dataclass(frozen=True)
class Published:
    """Weights that somebody published for a recipe.

    Attributes:
        layout: how their entries are named, one of ``aemm convert --layout``.
        address: of the file; None where there is only a page for people.
        page: that page; None where there is an address.
        sha256: the beginning of the file's hash, as the publisher's name of it holds; None where it holds none.
    """

    layout: str
    address: str | None
    page: str | None
    sha256: str | None


@dataclass(frozen=True)
class Recipe:
    """A config that comes with aemm.

    Attributes:
        name: folder and stem, such as ``pose/hrnet_w32_coco_512``.
        path: of its file.
        parameters: of its network; None where that is not known.
        figures: that others published for it.
        source: of figures and weights; None where there are none.
        published: its weights; None where there are none.
    """

    name: str
    path: Path
    parameters: int | None
    figures: tuple[Figure, ...]
    source: str | None
    published: Published | None

    @property
    def stem(self) -> str:
        """The name without its folder."""
        return self.name.rpartition("/")[2]


def recipes(home: Path = HOME) -> list[Recipe]:
    """All recipes, by folder and name.

    Args:
        home: the folder of ``configs`` and ``model-index.yml``.

    Raises:
        FileNotFoundError: aemm was installed without them.
    """
    facts = {entry["Config"]: entry for entry in _entries(home)}
    return [_recipe(name, path, facts.get(f"configs/{name}.py", {})) for name, path in _configs(home).items()]


def find_recipe(name: str, home: Path = HOME) -> Recipe:
    """The recipe of that name.

    Args:
        name: see :func:`recipe_path`.
        home: the folder of ``configs`` and ``model-index.yml``.

    Raises:
        FileNotFoundError: there is none; the message names the nearest.
        ValueError: several folders have one.
    """
    path = recipe_path(name, home)
    if path is None:
        raise FileNotFoundError(f"no recipe is called {name!r}{nearest(name, home)}")
    return next(recipe for recipe in recipes(home) if recipe.path == path)


def recipe_path(name: str, home: Path = HOME) -> Path | None:
    """The file of a recipe.

    Args:
        name: ``pose/hrnet_w32_coco_512``, or the stem alone where no other folder has it; an ending ``.py`` and a
            beginning ``configs/`` or ``aemm::`` change nothing. Or the path of its file.
        home: the folder of ``configs`` and ``model-index.yml``.

    Returns:
        None where no recipe has this name.

    Raises:
        ValueError: several folders have one.
    """
    wanted, known = _plain(name), _configs(home)
    if wanted in known:
        return known[wanted]
    if os.path.isfile(name):
        path = Path(name).resolve()
        return path if path in known.values() else None
    found = [full for full in known if full.rpartition("/")[2] == wanted]
    if len(found) > 1:
        raise ValueError(f"{name!r} is the name of {len(found)} recipes; say which: {', '.join(found)}")
    return known[found[0]] if found else None


def config_path(name: str) -> str:
    """The config file that is meant by a path or by the name of a recipe; what exists comes before what is only named.

    Args:
        name: a path, or see :func:`recipe_path`.

    Raises:
        FileNotFoundError: there is neither.
        ValueError: several recipes have this name.
    """
    if os.path.isfile(name):
        return name
    recipe = recipe_path(name)
    if recipe is None and not os.path.isdir(name):
        raise FileNotFoundError(f"config {name} does not exist, and no recipe has that name{nearest(name)}")
    return name if recipe is None else str(recipe)


def nearest(name: str, home: Path = HOME) -> str:
    """The recipes whose names are most like one that is not there, as the end of a sentence."""
    wanted, known = _plain(name).lower(), list(_configs(home))
    by_stem = {full.rpartition("/")[2]: full for full in known}
    found = difflib.get_close_matches(wanted.rpartition("/")[2], by_stem, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(by_stem[stem] for stem in found)}? " if found else ""
    return f"; {hint}`aemm models` lists them all"


def _plain(name: str) -> str:
    return _BEFORE_NAME.sub("", name.replace(os.sep, "/")).removesuffix(".py")


def _configs(home: Path) -> dict[str, Path]:
    """The file of every recipe, by name."""
    folder = (home / "configs").resolve()
    files = sorted(path.relative_to(folder) for path in folder.rglob("*.py"))
    return {path.with_suffix("").as_posix(): folder / path for path in files if path.parts[0] != "_base_"}


def _entries(home: Path) -> Iterator[dict[str, Any]]:
    """What the index and the files that it names say of each config."""
    index = home / _INDEX
    if not index.is_file():
        raise FileNotFoundError(
            f"{index} does not exist: this copy of aemm came without its recipes; install a wheel, or check the "
            "project out with symbolic links (git config core.symlinks true)"
        )
    for name in yaml.safe_load(index.read_text(encoding="utf-8"))["Import"]:
        yield from yaml.safe_load((home / name).read_text(encoding="utf-8"))["Models"]


def _recipe(name: str, path: Path, entry: Mapping[str, Any]) -> Recipe:
    figures = [
        Figure(result["Dataset"], metric, value, result["Test"])
        for result in entry.get("Results", ())
        for metric, value in result["Metrics"].items()
    ]
    published = None
    if "Layout" in entry:
        published = Published(entry["Layout"], entry.get("Weights"), entry.get("Page"), entry.get("SHA256"))
    parameters = entry.get("Metadata", {}).get("Parameters")
    return Recipe(name, path, parameters, tuple(figures), entry.get("Source"), published)
