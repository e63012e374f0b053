"""List the recipes that come with aemm, or get the published weights of one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from aemm.cli.outcome import ExitCode
from aemm.cli.progress import Progress

if TYPE_CHECKING:
    from aemm.formats.recipes import Recipe

EXAMPLES = ("list hrnet", "get pose/higherhrnet_w32_coco_512")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is done, and with which recipes."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=["list", "get"],
        default="list",
        help="list them (default), or download weights, check and convert them, and print the file",
    )
    parser.add_argument("name", nargs="*", help="list those with all these words in their names; get these")
    parser.add_argument("--file", help="the published file of one recipe, fetched by other means")


def main(args: argparse.Namespace) -> ExitCode:
    """List or get."""
    if args.action == "list":
        if args.file:
            args.parser.error("--file belongs to get")
        return _list(args.name)
    if not args.name or (args.file and len(args.name) > 1):
        args.parser.error("get needs the name of a recipe" if not args.name else "--file is of one recipe")
    from aemm.engine.published import published_weights
    from aemm.formats.recipes import find_recipe

    for name in [find_recipe(name).name for name in args.name]:  # a wrong one is found before the others are fetched
        print(published_weights(name, Progress(name), args.file))
    return ExitCode.DONE


def _list(words: list[str]) -> ExitCode:
    """Print a row for each recipe."""
    from terminaltables import AsciiTable

    from aemm.formats.recipes import recipes

    found = [recipe for recipe in recipes() if all(word.lower() in recipe.name for word in words)]
    if not found:
        raise ValueError(f"no recipe has {' and '.join(map(repr, words))} in its name; aemm models lists all of them")
    table = AsciiTable([["recipe", "parameters", "published", "source", "weights"], *map(_row, found)])
    table.inner_row_border = False
    print(table.table)
    print("None of the published figures has been reproduced by aemm. `aemm models get RECIPE` downloads weights.")
    return ExitCode.DONE


def _row(recipe: Recipe) -> list[str]:
    from aemm.engine.published import converted_file

    size = "" if recipe.parameters is None else f"{recipe.parameters / 1e6:.1f} M"
    figures = [f"{one.metric} .{round(1000 * one.value):03d} {one.dataset}, {one.test}" for one in recipe.figures]
    weights = "none"
    if recipe.published is not None:
        weights = "known" if recipe.published.address else "by hand"
        weights = "here" if converted_file(recipe).is_file() else weights
    return [recipe.name, size, "\n".join(figures), recipe.source or "", weights]
