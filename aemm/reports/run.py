"""A model that was evaluated, with everything that a report tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aemm.evaluation.pairs import Pair
from aemm.formats.scalars import History
from aemm.reports.measures import Measure
from aemm.reports.pictures import Look


@dataclass(frozen=True)
class Run:
    """A model that was evaluated.

    Attributes:
        name: what to call it.
        measure: of the set it was evaluated on.
        pairs: truth and prediction of each of its images.
        look: shows an image by its place among the pairs.
        metrics: by name, as the evaluation reports them.
        oracle: metrics by what was replaced by the truth; empty where it was not tried.
        oracle_images: how many images the oracle saw.
        history: the curves of its training.
        config: its text.
        versions: of what it ran with.
        checkpoint: its file.
    """

    name: str
    measure: Measure
    pairs: Sequence[Pair]
    look: Look
    metrics: Mapping[str, float] = field(default_factory=dict)
    oracle: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    oracle_images: int = 0
    history: History = field(default_factory=History)
    config: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    checkpoint: str = ""
