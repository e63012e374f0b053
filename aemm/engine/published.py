"""Published weights of recipes: downloaded, checked, converted and kept."""

from __future__ import annotations

from pathlib import Path

from aemm.engine.convert import convert_file
from aemm.engine.outputs import check_folder
from aemm.formats.checkpoint import CheckpointError
from aemm.formats.downloads import Report, alone, cache_folder, check_hash, fetch
from aemm.formats.recipes import Published, Recipe, find_recipe, recipe_path, recipes

PUBLISHED = "published"
"""The word that stands, where a checkpoint is named, for the published weights of the recipe."""

_CHOSEN_BY = "folder by AEMM_HOME"


def published_weights(name: str, report: Report | None = None, file: str | Path | None = None) -> Path:
    """The published weights of a recipe as a checkpoint of aemm, fetched and converted unless they are there.

    Args:
        name: of the recipe, or the path of its config.
        report: told of the progress of a download.
        file: the published file, where it was fetched by other means.

    Raises:
        FileNotFoundError: no recipe has this name, or the file is not there.
        CheckpointError: nobody published weights for it, or they cannot be had, are others, or do not fit.
        PermissionError: they cannot be kept.
    """
    recipe = find_recipe(name)
    published = _published(recipe)
    target = converted_file(recipe)
    if file is None and target.is_file():
        return target
    check_folder(target.parent, _CHOSEN_BY)  # before much is downloaded
    if file is not None:
        source = Path(file)
        if not source.is_file():
            raise FileNotFoundError(f"--file {source} does not exist")
        check_hash(source, published.sha256, f"take the file of {published.address or published.page}")
    elif published.address is None:
        raise CheckpointError(
            f"the weights of {recipe.name} are published at {published.page}, a page for people: download the file "
            f"there, then run: aemm models get {recipe.name} --file FILE"
        )
    else:
        kept = cache_folder() / "checkpoints" / published.address.rpartition("/")[2]
        if not kept.is_file():
            check_folder(kept.parent, _CHOSEN_BY)
        source = fetch(published.address, kept, published.sha256, report)
    with source.open("rb") as waited_for, alone(waited_for):
        if file is not None or not target.is_file():  # or else another process has just converted it
            convert_file(str(source), str(recipe.path), str(target), published.layout)
    return target


def weights_or_published(config: str, checkpoint: str, report: Report | None = None) -> str:
    """The checkpoint that a command line names, the published one of its recipe where it says so.

    Args:
        config: path of the config, or the name of the recipe.
        checkpoint: a path, an address, or :data:`PUBLISHED`.
        report: told of the progress of a download.

    Raises:
        FileNotFoundError: the config is no recipe of aemm.
        CheckpointError: its weights cannot be had.
    """
    if checkpoint != PUBLISHED:
        return checkpoint
    if recipe_path(config) is None:
        raise FileNotFoundError(f"{config} is no recipe of aemm, so nobody published weights for it; name a checkpoint")
    return str(published_weights(config, report))


def converted_file(recipe: Recipe) -> Path:
    """Where the converted weights of a recipe are kept, named by the hash of what was published."""
    published = _published(recipe)
    version = f"-{published.sha256}" if published.sha256 else ""
    return cache_folder() / "models" / f"{recipe.stem}{version}.pth"


def _published(recipe: Recipe) -> Published:
    if recipe.published is None:
        there = [one.stem for one in recipes() if one.published]
        raise CheckpointError(
            f"nobody published weights for {recipe.name}; train it, or take one that has some: {', '.join(there)}"
        )
    return recipe.published
