"""The page of a report: one file with styles, script, plots and pictures in it, which needs no network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from aemm.reports.errors import KINDS
from aemm.reports.figures import Figures, Row
from aemm.reports.pictures import LAYERS
from aemm.reports.plots import plot_by_threshold, plot_history, plot_precision_recall
from aemm.reports.run import Run

_TIDE_NAMES = {
    "Cls": "wrong class",
    "Loc": "badly located",
    "Both": "wrong class and badly located",
    "Dupe": "found twice",
    "Bkg": "nothing there",
    "Miss": "missed",
}


@dataclass(frozen=True)
class Picture:
    """What one run says of an image.

    Attributes:
        run: its name.
        caption: below the picture.
        layers: pictures ``(H, W, 3) uint8`` by their name.
        plot: of the tags; None where there is none.
    """

    run: str
    caption: str
    layers: Mapping[str, np.ndarray]
    plot: str | None


@dataclass(frozen=True)
class Shown:
    """An image of the page.

    Attributes:
        name: of the image.
        groups: why it is shown.
        people: how many instances there are to be found.
        pictures: one for each run.
    """

    name: str
    groups: tuple[str, ...]
    people: int
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Table:
    """A table with a number for each run in every row.

    Attributes:
        title: above it.
        about: what it tells.
        head: of the first column.
        rows: name, count (or None) and values of the runs; None where there is no value.
    """

    title: str
    about: str
    head: str
    rows: Sequence[tuple[str, int | None, list[float | None]]]


def page_contents(runs: Sequence[Run], figures: Sequence[Figures]) -> dict[str, Any]:
    """All that stands on the page but the images, by the names that the template uses.

    Args:
        runs: one or more.
        figures: of each.
    """
    names = [run.name for run in runs]
    return {
        "style": _part("page.css"),
        "script": _part("page.js"),
        "runs": runs,
        "figures": figures,
        "names": names,
        "metrics": metric_table(runs),
        "tables": [table for table in split_tables(figures) if table.rows],
        "tide": tide_table(figures),
        "oracle": oracle_tables(runs),
        "errors": [error_table(own) for own in figures],
        "kinds": KINDS,
        "plots": _plots(names, runs, figures),
    }


def render_page(contents: Mapping[str, Any], shown: Sequence[Shown], embed: Callable[[np.ndarray], str]) -> str:
    """The page.

    Args:
        contents: of :func:`page_contents`.
        shown: images.
        embed: makes the address of a picture.
    """
    groups = list(dict.fromkeys(group for image in shown for group in image.groups))
    from jinja2 import Environment, StrictUndefined  # here, since few runs write a page

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_part("page.html.jinja"))
    return template.render(
        **contents,
        shown=shown,
        groups=groups,
        layers=[name for name in LAYERS if any(name in p.layers for image in shown for p in image.pictures)],
        embed=embed,
    )


def _part(name: str) -> str:
    return files("aemm.reports").joinpath(name).read_text(encoding="utf-8")


def _plots(names: Sequence[str], runs: Sequence[Run], figures: Sequence[Figures]) -> dict[str, str]:
    histories = {run.name: run.history for run in runs if run.history}
    curves = {name: own.precision_recall for name, own in zip(names, figures, strict=True)}
    levels = {name: own.by_threshold for name, own in zip(names, figures, strict=True)}
    return {
        "precision": plot_precision_recall(curves),
        "threshold": plot_by_threshold(levels, figures[0].similarity),
        "history": plot_history(histories) if histories else "",
    }


def metric_table(runs: Sequence[Run]) -> Table:
    """What the evaluation itself reports."""
    keys = list(dict.fromkeys(name for run in runs for name in run.metrics))
    rows = [(key, None, [_known(run.metrics.get(key)) for run in runs]) for key in keys]
    return Table("Metrics", "As the evaluation reports them; – where there is nothing to measure.", "metric", rows)


def split_tables(figures: Sequence[Figures]) -> list[Table]:
    """AP by size, number and overlap."""
    first = figures[0]
    return [
        _split("By size", f"{first.measure} by {first.size}.", "size",
               [own.by_size for own in figures]),
        _split("By number of people or instances", f"{first.measure} of images with so many.", "in the image",
               [own.by_people for own in figures]),
        _split("By overlap", f"{first.measure} of images by the mean of each box's largest IoU with another.",
               "overlap", [own.by_overlap for own in figures]),
    ]  # fmt: skip


def _split(title: str, about: str, head: str, runs: Sequence[Sequence[Row]]) -> Table:
    values = [{row.name: row.ap for row in own} for own in runs]
    return Table(
        title, about, head, [(row.name, row.count, [_known(own.get(row.name)) for own in values]) for row in runs[0]]
    )


def tide_table(figures: Sequence[Figures]) -> Table:
    """What each kind of error of an instance costs."""
    rows: list[tuple[str, int | None, list[float | None]]] = [
        (name, sum(own.tide_counts[kind] for own in figures), [own.tide[kind] for own in figures])
        for kind, name in _TIDE_NAMES.items()
        if any(own.tide_counts[kind] for own in figures)
    ]
    about = "AP at 0.5 that would be gained without errors of a kind (TIDE), and how often they occur."
    return Table("Errors of instances", about, "error", rows)


def oracle_tables(runs: Sequence[Run]) -> list[tuple[Run, list[str], list[tuple[str, list[float | None]]]]]:
    """For each run that tried it: the metrics of every kind of maps."""
    tables = []
    for run in runs:
        if run.oracle:
            keys = list(next(iter(run.oracle.values())))[:3]
            rows = [(name, [_known(values[key]) for key in keys]) for name, values in run.oracle.items()]
            tables.append((run, keys, rows))
    return tables


def error_table(figures: Figures) -> list[tuple[str, list[tuple[float, int]]]]:
    """Share of the lost AP and count of every kind of error, for each keypoint and for all."""
    if figures.errors is None:
        return []
    shares, counts = figures.errors.shares, figures.errors.counts.astype(int)
    rows = [
        (name.replace("_", " "), list(zip(share.tolist(), count.tolist(), strict=True)))
        for name, share, count in zip(figures.keypoints, shares, counts, strict=True)
    ]
    total = list(zip(shares.sum(0).tolist(), counts.sum(0).tolist(), strict=True))
    return [*rows, ("all", total)]


def _known(value: Any) -> float | None:
    """A figure; None for NaN and for the -1 by which evaluators say that there is nothing to measure."""
    if value is None or math.isnan(value) or value == -1:
        return None
    return float(value)
