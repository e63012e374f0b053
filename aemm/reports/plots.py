"""Plots of reports as SVG that follows the page: its text and lines take the colour of the text around them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aemm.formats.scalars import History
from aemm.reports.measures import Curve
from aemm.visualization import instance_color

if TYPE_CHECKING:  # matplotlib takes longer to import than a small network to build, and few runs plot
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.6  # inches; on a narrow screen text stays legible
_INK = "#123456"  # stands for the colour of the page's text until the plot is in it
# told apart by everybody (Okabe and Ito), light and dark pages alike
_LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_LONGEST = 20  # characters of the name of a run
_FEW = 30  # points of a curve, of which each is marked
_STYLES = ("-", "--", ":", "-.")
_RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 9,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
}
# curves of a training in the order in which they are shown; a part of a name is enough
_CHIEF = ("AP", "AP50", "mAP", "PCKh", "apr_50", "apr_vol")  # of the metrics, which alone are shown
_PANELS = (("losses", "loss"), ("learning rate", "lr"), ("spread of the tags", "tag_spread"))


def _styled(settings: dict[Any, Any]) -> AbstractContextManager[None]:
    """Within it matplotlib draws in a style."""
    from matplotlib import rc_context

    return rc_context(settings)


def _new(rows: int = 1, height: float = 2.9) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height * rows), layout="constrained")
    return figure, list(np.ravel(figure.subplots(rows, 1)))


def _svg(figure: Figure, title: str) -> str:
    """The figure as an element of a page, described by its title."""
    text = io.StringIO()
    with _styled({"svg.hashsalt": title}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    body = text.getvalue()
    return (
        body[body.index("<svg") :]
        .replace(_INK, "currentColor")
        .replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
    )


def _grid(axes: Axes, x: str, y: str, ink: str = _INK) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.2, color=ink)


def plot_precision_recall(runs: Mapping[str, Sequence[Curve]]) -> str:
    """Precision over recall: a colour for each threshold, a style for each run.

    Args:
        runs: curves by the name of the run.
    """
    with _styled(_RC):
        figure, (axes,) = _new()
        for n, (style, curves) in enumerate(zip(_cycle(_STYLES, len(runs)), runs.values(), strict=True)):
            for color, curve in zip(_cycle(_LINES, len(curves)), curves, strict=True):
                axes.plot(curve.x, curve.y, color=color, linestyle=style, label="" if n else curve.name)
        _name_styles(axes, list(runs), _INK)
        _grid(axes, "recall", "precision")
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.legend(loc="lower left")
        return _svg(figure, "Precision over recall")


def plot_by_threshold(runs: Mapping[str, Curve], similarity: str) -> str:
    """AP over the threshold of similarity, a colour for each run.

    Args:
        runs: the curve by the name of the run.
        similarity: what the thresholds are of.
    """
    with _styled(_RC):
        figure, (axes,) = _new()
        for color, (run, curve) in zip(_cycle(_LINES, len(runs)), runs.items(), strict=True):
            axes.plot(curve.x, curve.y, color=color, marker=".", label=_short(run))
        _grid(axes, f"threshold ({similarity})", "AP")
        axes.set(ylim=(0, 1.02))
        if len(runs) > 1:
            axes.legend()
        return _svg(figure, f"AP over the threshold of {similarity}")


def plot_history(runs: Mapping[str, History]) -> str:
    """Losses, metrics, learning rate and spread of the tags of trainings, a style for each run.

    Args:
        runs: curves by the name of the run; not all empty.
    """
    with _styled(_RC):
        return _svg(_draw_history(runs, _INK), "Curves of the training")


def save_history(path: str | Path, runs: Mapping[str, History]) -> None:
    """The same as a picture in a file; the ending of its name says the format.

    Args:
        path: ``.svg``, ``.png`` or ``.pdf``.
        runs: see :func:`plot_history`.
    """
    with _styled({name: value for name, value in _RC.items() if value != _INK}):
        _draw_history(runs, "black").savefig(path, dpi=150)


def _draw_history(runs: Mapping[str, History], ink: str) -> Figure:
    panels = history_panels(list(runs.values()))
    figure, all_axes = _new(len(panels), 2.5)
    for axes, (title, names) in zip(all_axes, panels.items(), strict=True):
        for n, (style, history) in enumerate(zip(_cycle(_STYLES, len(runs)), runs.values(), strict=True)):
            for color, name in zip(_cycle(_LINES, len(names)), names, strict=True):
                steps, values = (history.validation | history.training).get(name, ([], []))
                marker, label = "." if len(steps) < _FEW else "", "" if n else name
                axes.plot(steps, values, color=color, linestyle=style, marker=marker, label=label)
        _name_styles(axes, list(runs), ink)
        _grid(axes, "iteration", title, ink)
        if title == "losses":
            axes.set_yscale("log")
        axes.legend()
    return figure


def _name_styles(axes: Axes, runs: Sequence[str], ink: str) -> None:
    """Add to the legend which run has which style of lines, where there are several."""
    for style, run in zip(_cycle(_STYLES, len(runs)), runs, strict=True):
        if len(runs) > 1:
            axes.plot([], [], color=ink, linestyle=style, label=_short(run))


def history_panels(histories: Sequence[History]) -> dict[str, list[str]]:
    """What is drawn together: the names of curves by the title of their panel; empty panels are left out.

    Args:
        histories: of all runs.
    """
    training = sorted({name for history in histories for name in history.training})
    panels = {title: [name for name in training if _belongs(name, part)] for title, part in _PANELS}
    validation = sorted({name for history in histories for name in history.validation})
    chief = [
        name for name in validation if name.rpartition("/")[2] in ("AP", "AP50", "mAP", "PCKh", "apr_50", "apr_vol")
    ]
    panels = {"losses": panels.pop("losses"), "validation": chief or validation[:4], **panels}
    return {title: names for title, names in panels.items() if names}


def _belongs(name: str, part: str) -> bool:
    return name == part or (part == "loss" and name.startswith("loss"))


def plot_tags(tags: np.ndarray, rows: np.ndarray, owners: np.ndarray, found: np.ndarray, names: Sequence[str]) -> str:
    """Tags of the peaks of an image on a line, a row for each keypoint, coloured by the person they belong to.

    Args:
        tags: ``(M, L)`` of M peaks; of several dimensions the direction of most spread is shown.
        rows: ``(M,)`` their keypoints.
        owners: ``(M,)`` the person whose keypoint is there, -1 = nobody's.
        found: ``(N, L)`` reference tags of the people found.
        names: K keypoints.

    Reference: Newell et al. 2017, figure 4.
    """
    line, marks = on_line(tags, found)
    with _styled(_RC):
        figure, (axes,) = _new(height=max(2.2, 0.17 * len(names) + 0.7))
        for value in marks:
            axes.axvline(value, color=_INK, alpha=0.35, linewidth=0.8)
        for owner in np.unique(owners).tolist():
            own = owners == owner
            axes.scatter(line[own], rows[own], s=26, marker="x" if owner < 0 else "o", color=_color(owner))
        axes.set_yticks(range(len(names)), [_text(name.replace("_", " ")) for name in names], fontsize=8)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel("tag" if tags.shape[1] == 1 else "tags, along their largest spread")
        axes.grid(axis="y", alpha=0.2, color=_INK)
        return _svg(figure, "Tags of all peaks, coloured by person")


def plot_tag_histograms(panels: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray]]) -> str:
    """Histograms of the tags of a class's pixels, coloured by instance, with the modes that were found.

    Args:
        panels: for each class its name, tags ``(M, L)`` of its pixels, the instance ``(M,)`` that each belongs to (-1 =
            none), and the tags ``(N, L)`` of the instances found.

    Reference: Newell et al. 2017, figure 5.
    """
    with _styled(_RC):
        figure, all_axes = _new(len(panels), 1.9)
        for axes, (name, tags, owners, found) in zip(all_axes, panels, strict=True):
            line, marks = on_line(tags, found)
            kinds = np.unique(owners).tolist()
            parts = [line[owners == owner] for owner in kinds]
            edges = np.histogram_bin_edges(line, bins=40).tolist()
            axes.hist(parts, edges, stacked=True, color=[_color(owner) for owner in kinds])
            for value in marks:
                axes.axvline(value, color=_INK, linestyle="--", linewidth=1)
            _grid(axes, "tag" if tags.shape[1] == 1 else "tags, along their largest spread", f"pixels of {_text(name)}")
        return _svg(figure, "Histogram of tags, with the modes found")


def on_line(tags: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tags and reference tags on one line; where they have several dimensions, along that of their largest spread.

    Args:
        tags: ``(M, L)``.
        found: ``(N, L)``.
    """
    if tags.shape[1] == 1 or len(tags) < 2:
        return tags[:, 0], found[:, 0]
    direction = np.linalg.svd(tags - tags.mean(0), full_matrices=False)[2][0]
    direction = direction if direction.sum() >= 0 else -direction
    return tags @ direction, found @ direction


def _short(name: str) -> str:
    """A name of a run that fits a legend."""
    return _text(name if len(name) <= _LONGEST else f"{name[: _LONGEST // 2 - 1]}…{name[-_LONGEST // 2 :]}")


def _text(name: str) -> str:
    """A name as matplotlib shows it unchanged: no formula between dollars, no legend without what begins with _."""
    shown = name.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def _color(owner: int) -> Any:
    return "#888888" if owner < 0 else tuple(value / 255 for value in instance_color(owner))


def _cycle(values: Sequence[str], count: int) -> list[str]:
    return [values[n % len(values)] for n in range(count)]
