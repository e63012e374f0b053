"""Which images a report shows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Example(NamedTuple):
    """An image to show.

    Attributes:
        place: among the images of the report.
        groups: why it is shown: it is one of the worst, of the most crowded, or drawn at random.
    """

    place: int
    groups: tuple[str, ...]


def choose_examples(quality: np.ndarray, people: np.ndarray, count: int, seed: int = 0) -> list[Example]:
    """The worst images, the most crowded, and some drawn at random; each once, whatever it is shown for.

    Args:
        quality: ``(M, R)`` of the images by R runs; with several, those where they differ most come first.
        people: ``(M,)`` instances in each.
        count: of each kind.
        seed: of the draw.
    """
    order = {
        "worst": np.argsort(quality.mean(1), kind="stable"),
        "most crowded": np.argsort(-people, kind="stable"),
        "random": np.random.default_rng(seed).permutation(len(people)),
    }
    if quality.shape[1] > 1:
        order = {"largest difference": np.argsort(-np.ptp(quality, axis=1), kind="stable"), **order}
    groups: dict[int, list[str]] = {}
    for name, places in order.items():
        for place in places[:count].tolist():
            groups.setdefault(place, []).append(name)
    chosen = [Example(place, tuple(names)) for place, names in groups.items()]
    if quality.shape[1] > 1:
        chosen.sort(key=lambda example: -float(np.ptp(quality[example.place])))
    return chosen
