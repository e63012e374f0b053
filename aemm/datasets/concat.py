"""Several data sets as one, and one several times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from aemm.datasets.base import SampleDataset, SampleKey
from aemm.records import DatasetInfo, Truth
from aemm.registry import DATASETS
from aemm.structures import Sample


@DATASETS.register_module()
class ConcatDataset(Dataset):
    """Data sets behind each other, which agree in skeleton and classes.

    Every part draws by seeds of its own. Equal image ids of different parts stay apart, since a truth tells its part;
    metrics measure the whole, and each part beside it.

    Args:
        datasets: configs or data sets.
        weights: how often a sample of each part comes in an epoch, on average: at 2 each comes twice, with other
            augmentation; at 0.25 another quarter of them comes each epoch. None = 1 each. Training only.
        names: of the parts, in figures. None = those of their files.

    Raises:
        ValueError: there is no data set, they do not agree, or an argument does not fit them.
    """

    def __init__(
        self,
        datasets: Sequence[Mapping[str, Any] | SampleDataset | ConcatDataset],
        weights: Sequence[float] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        if isinstance(datasets, Mapping | str) or not datasets:
            raise ValueError(f"datasets must list data sets, at least one, got {datasets!r:.80}")
        self.datasets = [DATASETS.build(part) if isinstance(part, Mapping) else part for part in datasets]
        for n, part in enumerate(self.datasets):
            if not isinstance(part, SampleDataset | ConcatDataset):
                raise ValueError(f"datasets[{n}] must be one of aemm's data sets, got a {type(part).__name__}")
        self.test_mode: bool = self.datasets[0].test_mode
        if any(part.test_mode != self.test_mode for part in self.datasets):
            raise ValueError(f"test_mode must be the same in all data sets, got {[d.test_mode for d in self.datasets]}")
        self.metainfo: DatasetInfo = _common_info([part.metainfo for part in self.datasets])
        self._weights = self._checked_weights(weights)
        self._counts = [
            max(1, round(weight * len(part))) for weight, part in zip(self._weights, self.datasets, strict=True)
        ]
        self._ends = np.cumsum(self._counts)
        self._names = self._part_names(names)

    def _checked_weights(self, weights: Sequence[float] | None) -> list[float]:
        if weights is None:
            return [1.0] * len(self.datasets)
        if len(weights) != len(self.datasets) or not all(0 < weight < 1e6 for weight in weights):
            raise ValueError(
                f"weights must be {len(self.datasets)} positive numbers, one for each data set, got {list(weights)}"
            )
        if self.test_mode and any(weight != 1 for weight in weights):
            raise ValueError("weights are for training: in evaluation every image counts once")
        return list(weights)

    def _part_names(self, names: Sequence[str] | None) -> list[str | None]:
        """What each part is called in place of its files; None where these tell parts apart."""
        if names is not None:
            if isinstance(names, str) or len(set(names)) != len(self.datasets):
                raise ValueError(f"names must be {len(self.datasets)} different names, got {names!r}")
            return list(names)
        own = [key for part in self.datasets for key in part.parts]
        if len(self.datasets) == 1 or (len(set(own)) == len(own) and all(part.parts for part in self.datasets)):
            return [None] * len(self.datasets)
        return [f"{type(part).__name__} {n}" for n, part in enumerate(self.datasets, 1)]

    @property
    def parts(self) -> tuple[str, ...]:
        """What the truths of the samples tell of their parts."""
        named = zip(self._names, self.datasets, strict=True)
        return tuple(key for name, part in named for key in (part.parts if name is None else (name,)))

    def __len__(self) -> int:
        """Number of samples in an epoch."""
        return int(self._ends[-1])

    def truth(self, index: int) -> Truth:
        """What is known of the sample at ``index`` in test mode, where every part comes once."""
        n = int(np.searchsorted(self._ends, index, side="right"))
        truth = self.datasets[n].truth(index - int(self._ends[n]) + self._counts[n])
        name = self._names[n]
        return truth if name is None else replace(truth, part=name)

    def __getitem__(self, key: int | SampleKey) -> Sample:
        """The transformed sample; a bare index means epoch 0 and seed 0."""
        key = key if isinstance(key, SampleKey) else SampleKey(int(key))
        if not 0 <= key.sample < len(self):
            raise IndexError(f"index {key.sample} is outside the {len(self)} samples of {type(self).__name__}")
        n = int(np.searchsorted(self._ends, key.sample, side="right"))
        part, place = self.datasets[n], key.sample - int(self._ends[n]) + self._counts[n]
        copy, index = divmod(place, len(part))
        if copy == self._counts[n] // len(part):  # the last share of an epoch, which is not the whole part
            index = int(_order(len(part), key.seed, key.epoch, n)[index])
        sample = part[SampleKey(index, key.epoch, _seed_of(key.seed, n, copy))]
        name = self._names[n]
        if name is None or sample.truth is None:
            return sample
        return replace(sample, truth=replace(sample.truth, part=name))


@DATASETS.register_module()
class RepeatDataset(ConcatDataset):
    """A data set that comes several times in an epoch, each time with other augmentation.

    Args:
        dataset: its config, or the data set.
        times: how often each sample comes.

    Raises:
        ValueError: ``times`` is no positive number.
    """

    def __init__(self, dataset: Mapping[str, Any] | SampleDataset | ConcatDataset, times: float) -> None:
        if isinstance(times, bool) or not isinstance(times, int | float) or not 0 < times < 1e6:
            raise ValueError(f"times must be a positive number, got {times!r}")
        super().__init__([dataset], [times])


def _seed_of(seed: int, part: int, copy: int) -> int:
    """A seed for each part and copy; the first copy of the first part draws as it would alone."""
    if part == copy == 0:
        return seed
    return int(np.random.SeedSequence([seed, part, copy]).generate_state(1)[0])


@lru_cache(maxsize=16)
def _order(length: int, seed: int, epoch: int, part: int) -> np.ndarray:
    """The samples of a part in an order of this epoch."""
    return np.random.default_rng([seed, epoch, part]).permutation(length)


def _common_info(infos: Sequence[DatasetInfo]) -> DatasetInfo:
    """What holds for all data sets; identifiers of categories are those of the first."""
    first = infos[0]
    for n, info in enumerate(infos):
        if info.skeleton != first.skeleton:
            raise ValueError(f"{_which(n)} have different skeletons: {_describe(first)} and {_describe(info)}")
        if first.skeleton is None and info.classes != first.classes:
            raise ValueError(
                f"{_which(n)} have different classes: {list(first.classes)} and {list(info.classes)}; choose the same "
                "ones in the same order by classes=[...]"
            )
    return replace(first, name=" + ".join(dict.fromkeys(info.name for info in infos)))


def _which(n: int) -> str:
    return f"datasets[0] and datasets[{n}]"


def _describe(info: DatasetInfo) -> str:
    if info.skeleton is None:
        return "none"
    return f"{info.skeleton.name!r} of {len(info.skeleton)} keypoints"
