"""From evaluated runs to a page in a folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from aemm.evaluation.pairs import Pair
from aemm.reports.examples import Example, choose_examples
from aemm.reports.figures import Figures, compute_figures
from aemm.reports.matching import needed
from aemm.reports.page import Picture, Shown, page_contents, render_page
from aemm.reports.pictures import SIDES, draw_layers, embed, plot_grouping
from aemm.reports.run import Run

MOST_BYTES = 8_000_000  # of a page
PAGE, NUMBERS = "report.html", "report.json"
_EXAMPLES = 6  # images of each kind


def write_report(folder: str | Path, runs: Sequence[Run], examples: int = _EXAMPLES) -> Path:
    """Write a page that shows the runs, side by side where there are several, and its numbers as json.

    Args:
        folder: where they go.
        runs: one or more, of the same data.
        examples: images of each kind that are shown.

    Returns:
        The page.

    Raises:
        ValueError: the runs have no image in common, are measured differently, or there is nothing to measure.
        OSError: it cannot be written.
    """
    runs = with_own_names(runs)
    rows = common_rows(runs)
    figures = [
        compute_figures([run.pairs[row] for row in own], run.measure) for run, own in zip(runs, rows.T, strict=True)
    ]
    page = fit_page(page_contents(runs, figures), draw_examples(runs, figures, rows, examples))
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    (target / NUMBERS).write_text(json.dumps(_plain(numbers(runs, figures)), indent=1) + "\n", encoding="utf-8")
    (target / PAGE).write_bytes(_encoded(page))
    return target / PAGE


def with_own_names(runs: Sequence[Run]) -> list[Run]:
    """The runs with names of their own: where two are called alike, with their checkpoints, or else a number."""
    names = [run.name for run in runs]
    full = [f"{run.name} {Path(run.checkpoint).stem}" if names.count(run.name) > 1 else run.name for run in runs]
    told = [f"{name} ({n})" if full.count(name) > 1 else name for n, name in enumerate(full, 1)]
    return [replace(run, name=name) for run, name in zip(runs, told, strict=True)]


def common_rows(runs: Sequence[Run]) -> np.ndarray:
    """Rows ``(M, R)`` of the pairs of the images that all R runs have seen.

    Raises:
        ValueError: there is none, or the runs are measured differently.
    """
    if len({run.measure.name for run in runs}) > 1:
        told = ", ".join(f"{run.name} by {run.measure.name}" for run in runs)
        raise ValueError(f"runs can be compared where they are measured alike, got {told}; report on each by itself")
    places = [{_key(pair): row for row, pair in enumerate(run.pairs)} for run in runs]
    shared = [key for key in places[0] if all(key in other for other in places)]
    if not shared:
        raise ValueError(
            f"the runs {', '.join(run.name for run in runs)} have no image in common, with the same number, size and "
            "annotations; give all of them the same test_dataloader.dataset"
        )
    return np.array([[own[key] for own in places] for key in shared]).reshape(-1, len(runs))


def _key(pair: Pair) -> tuple[object, ...]:
    """What is equal for an image in two runs, and differs for images of two sets that are numbered alike."""
    truth = pair[0]
    places = [values for values in (truth.keypoints, truth.visible, truth.labels) if values is not None]
    masks = [mask["counts"] for mask in truth.masks or ()]
    known = sha256(repr([(values.shape, values.round(2).tolist()) for values in places] + masks).encode()).digest()
    return truth.part, truth.image_id, tuple(truth.image_size), known


def draw_examples(runs: Sequence[Run], figures: Sequence[Figures], rows: np.ndarray, count: int) -> list[Shown]:
    """The images that are shown, with everything that can be seen of them.

    Args:
        runs: R of them.
        figures: of each.
        rows: ``(M, R)`` of the pairs of their images.
        count: of each kind.
    """
    quality = np.stack([own.quality for own in figures], axis=1)  # (M, R)
    return [
        _draw_example(example, runs, rows[example.place], quality[example.place])
        for example in choose_examples(quality, figures[0].people, count)
    ]


def _draw_example(example: Example, runs: Sequence[Run], rows: np.ndarray, quality: np.ndarray) -> Shown:
    pictures = []
    for run, row, good in zip(runs, rows.tolist(), quality.tolist(), strict=True):
        pair = run.measure.prepare([run.pairs[row]])[0]
        view = run.look(row)
        layers = draw_layers(view, pair, run.measure)
        found = f"{len(pair[1])} found, quality {good:.2f}"
        pictures.append(Picture(run.name, found, layers, plot_grouping(view, pair, run.measure)))
    truth = runs[0].pairs[rows[0]][0]
    return Shown(f"{truth.image_id}", example.groups, int(needed(truth).sum()), pictures)


def fit_page(contents: Mapping[str, Any], shown: Sequence[Shown]) -> str:
    """The page with pictures as large as they can be, and if need be fewer.

    Args:
        contents: of :func:`aemm.reports.page.page_contents`.
        shown: images.

    Raises:
        ValueError: without any picture it is still too large.
    """
    for side in SIDES:
        page = render_page(contents, shown, partial(embed, side=side))
        if len(_encoded(page)) <= MOST_BYTES:
            return page
    if shown:
        return fit_page(contents, shown[: len(shown) // 2])
    raise ValueError(
        f"the page would have more than {MOST_BYTES // 10**6} MB without any picture; report on fewer runs"
    )


def _encoded(page: str) -> bytes:
    """The bytes of a page; parts of names of files that are no text become question marks."""
    return page.encode("utf-8", "replace")


def numbers(runs: Sequence[Run], figures: Sequence[Figures]) -> dict[str, Any]:
    """What a program can read: the figures of every run by its name."""
    return {
        run.name: {
            "checkpoint": run.checkpoint,
            "metrics": dict(run.metrics),
            "oracle": {name: dict(values) for name, values in run.oracle.items()},
            **own.numbers(),
        }
        for run, own in zip(runs, figures, strict=True)
    }


def _plain(value: Any) -> Any:
    """A value as json can hold it: null for what is not finite."""
    if isinstance(value, dict):
        return {str(key): _plain(own) for key, own in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
