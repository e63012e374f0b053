"""What all metrics share: pairs of truth and prediction, one of each image."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import PurePath
from typing import ClassVar

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from aemm.ops.collector import collector_off
from aemm.records import DatasetInfo, ImageId, Instances, Truth
from aemm.structures import Batch

Pair = tuple[Truth, Instances]


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """Names that tell files apart: that of the file, or as much of the path as it takes.

    >>> short_names(["data/a.json", "data/b.json"])
    {'data/a.json': 'a', 'data/b.json': 'b'}
    >>> list(short_names(["data/a/people.json", "data/b/people.json"]).values())
    ['a', 'b']
    """
    steps = [PurePath(path).with_suffix("").parts if path else () for path in paths]
    names = [step[-1] if step else "" for step in steps]
    if len(set(names)) < len(names):
        while len({step[:1] for step in steps}) == 1 and all(len(step) > 1 for step in steps):
            steps = [step[1:] for step in steps]
        while len({step[-1:] for step in steps}) == 1 and all(len(step) > 1 for step in steps):
            steps = [step[:-1] for step in steps]
        names = ["/".join(step) for step in steps]
    if len(set(names)) < len(names) or not all(names):
        names = [f"part {n}" for n in range(1, len(paths) + 1)]
    return dict(zip(paths, names, strict=True))


class PairMetric(BaseMetric):
    """Keep the pairs of the images seen; a subclass measures them by ``measure``.

    A metric reads and writes no file. What it must know of the whole data set it gets once, as the
    :class:`~aemm.records.DatasetInfo` in mmengine's ``dataset_meta``.

    Args:
        prefix: of the names in the log.
        collect_dir: where processes exchange their pairs; the runner sets it to a folder of the work dir.
    """

    moved_arguments: ClassVar[dict[str, str]] = {
        "ann_file": "truth comes with the samples: set ann_file of the data set that is tested",
        "dump": "predictions are written by a hook, dict(type='DumpHook', path=...), or by --dump of tools/test.py",
        "collect_device": "processes exchange their pairs through files in the work dir",
    }

    def __init__(self, prefix: str | None = None, collect_dir: str | None = None) -> None:
        super().__init__("cpu", prefix, collect_dir)

    @property
    def info(self) -> DatasetInfo:
        """What is known of the data set.

        Raises:
            ValueError: nobody said.
        """
        if not isinstance(self.dataset_meta, DatasetInfo):
            raise ValueError(
                f"{type(self).__name__} needs the DatasetInfo of the data set, got {self.dataset_meta!r:.80}; its "
                "property metainfo must return one"
            )
        return self.dataset_meta

    def process(self, batch: Batch, found: Sequence[Instances]) -> None:
        """Keep a pair for each image.

        Args:
            batch: with ``truths``.
            found: what was found in each image of the batch.

        Raises:
            ValueError: the batch carries no truth, or a prediction lacks what is measured.
        """
        if len(batch.truths) != len(found):
            raise ValueError(
                f"{type(self).__name__} needs the truth of {len(found)} images, but the batch carries that of "
                f"{len(batch.truths)}; build the data set with test_mode=True, or set Sample.truth in its load()"
            )
        for truth, image in zip(batch.truths, found, strict=True):
            self.add(truth, image)

    def add(self, truth: Truth, found: Instances) -> None:
        """Keep the pair of one image.

        Raises:
            ValueError: the prediction lacks what is measured.
        """
        if not truth.withheld:
            self.check(truth, found)
        self.results.append((truth, found))

    @abstractmethod
    def check(self, truth: Truth, found: Instances) -> None:
        """Raise ``ValueError`` where a pair cannot be measured."""

    def evaluate(self, size: int) -> dict[str, float]:
        """The figures of all images seen, by their full names; evaluators make an object of every instance.

        Args:
            size: of the data set, beyond which several processes have seen images twice.
        """
        with collector_off():
            return super().evaluate(size)

    @abstractmethod
    def measure(self, pairs: Sequence[Pair]) -> dict[str, float]:
        """Figures of pairs of different images, and a table in the log."""

    def compute_metrics(self, results: list[Pair]) -> dict[str, float]:
        """The figures of all images seen; an image that came twice counts once.

        Where they come from several files, the figures of each follow as ``FILE/NAME``.

        Where the labels are withheld there is nothing to report, and the log says so.
        """
        pairs = list(_told_apart(results).values())
        withheld = sum(truth.withheld for truth, _ in pairs)
        if withheld == len(pairs):
            MMLogger.get_current_instance().warning(
                f"the labels of all {withheld} images are withheld, so nothing is measured; --dump FILE writes the "
                "predictions for submission"
            )
            return {}
        if withheld:
            raise ValueError(f"the labels of {withheld} of {len(pairs)} images are withheld; evaluate the others alone")
        parts: dict[str, list[Pair]] = {}
        for truth, found in pairs:
            parts.setdefault(truth.part, []).append((truth, found))
        figures = self._measured(pairs)
        if len(parts) > 1:
            names = short_names(list(parts))
            for part, own in parts.items():
                MMLogger.get_current_instance().info(f"of these, {len(own)} images of {names[part]}:")
                figures |= {f"{names[part]}/{name}": value for name, value in self._measured(own).items()}
        return figures

    def _measured(self, pairs: Sequence[Pair]) -> dict[str, float]:
        """What ``measure`` returns, which is figures by name."""
        figures = self.measure(pairs)
        named = isinstance(figures, dict)
        if not named or not all(isinstance(value, int | float | np.number) for value in figures.values()):
            wanted = "numbers by name, such as {'error': 0.5}"
            raise ValueError(f"{type(self).__name__}.measure must return {wanted}, got {figures!r:.80}")
        return figures


def _told_apart(results: Sequence[Pair]) -> dict[tuple[str, ImageId], Pair]:
    """Pairs by file and identifier of the image; one that several processes have seen is there once.

    Raises:
        ValueError: different images go by one identifier, so that only one of them would count.
    """
    pairs: dict[tuple[str, ImageId], Pair] = {}
    for truth, found in results:
        key = (truth.part, truth.image_id)
        if key in pairs and not _same(pairs[key][0], truth):
            raise ValueError(
                f"several images go by the identifier {truth.image_id!r}; image_id must tell the images of a data set "
                "apart, or only one of them is measured"
            )
        pairs[key] = truth, found
    return pairs


def _same(one: Truth, other: Truth) -> bool:
    """Whether two truths of one identifier are of one image, as far as size and keypoints tell."""
    if one.image_size != other.image_size or len(one) != len(other):
        return False
    if one.keypoints is None or other.keypoints is None:
        return True
    return np.array_equal(one.keypoints, other.keypoints, equal_nan=True)
