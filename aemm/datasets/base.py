"""What all data sets share: samples whose randomness depends on (seed, epoch, index) alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from mmengine.dataset import DefaultSampler
from torch.utils.data import Dataset

from aemm.formats import UnreadableImageError
from aemm.formats.listed import AnnotationFile
from aemm.records import DatasetInfo, Truth
from aemm.registry import DATA_SAMPLERS, TRANSFORMS
from aemm.skeletons import Skeleton, build_skeleton
from aemm.structures import Sample


class SampleKey(NamedTuple):
    """Which sample, in which epoch, under which seed."""

    sample: int
    epoch: int = 0
    seed: int = 0


@DATA_SAMPLERS.register_module()
class SeededSampler(DefaultSampler):
    """mmengine's sampler, which hands the data set the epoch and seed beside each index.

    Augmentation is then the same whatever the number of workers, and after a resume.

    Args:
        dataset: the data set.
        shuffle: draw a new order every epoch.
        seed: shared by all processes; the runner passes its own.
        round_up: repeat samples until every process has as many. Leave it off for evaluation.
    """

    def __init__(self, dataset: Any, shuffle: bool = True, seed: int | None = None, round_up: bool = True) -> None:
        super().__init__(dataset, shuffle=shuffle, seed=seed, round_up=round_up)

    def __iter__(self) -> Iterator[SampleKey]:
        """Keys of this process's share of the epoch."""
        for index in super().__iter__():
            yield SampleKey(index, self.epoch, self.seed)


def transformed(sample: Sample, pipeline: Sequence[Callable]) -> Sample:
    """A sample after all steps of a pipeline.

    Raises:
        ValueError: one of them returns something else.
    """
    for step in pipeline:
        sample = step(sample)
        if not isinstance(sample, Sample):
            name = getattr(step, "__name__", type(step).__name__)
            raise ValueError(f"transform {name} must return a Sample, got {type(sample).__name__}")
    return sample


class SampleDataset(Dataset, ABC):
    """Base of the data sets: a subclass says how many samples there are and loads one.

    Args:
        pipeline: transforms as configs or callables; each takes and returns a :class:`Sample`.
        skeleton: name, dict or json file of the keypoint set; None where a task has no keypoints.
        test_mode: the samples are evaluated, so each carries its truth.
        on_unreadable: ``'error'`` stops at a missing or corrupt image and names it; ``'next'`` takes the
            next sample in its place, whose ``passed_over`` tells why. Evaluation always stops.
        cache: keep what was loaded in the memory of each process that loads, so that later epochs cost less.
    """

    def __init__(
        self,
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        test_mode: bool = False,
        on_unreadable: str = "error",
        cache: bool = False,
    ) -> None:
        if on_unreadable not in ("error", "next"):
            raise ValueError(f"on_unreadable must be 'error' or 'next', got {on_unreadable!r}")
        self.skeleton = None if skeleton is None else build_skeleton(skeleton)
        self.pipeline = [TRANSFORMS.build(step) if isinstance(step, Mapping) else step for step in pipeline]
        self.test_mode = test_mode
        self.on_unreadable = on_unreadable
        self._kept: dict[int, Sample] | None = {} if cache else None

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    @abstractmethod
    def load(self, index: int) -> Sample:
        """The raw sample at ``index``, before the pipeline; in test mode with its ``truth``.

        Raises:
            UnreadableImageError: naming the file.
        """

    def truth(self, index: int) -> Truth:
        """What is known of the sample at ``index``; a subclass that knows it without the image says so faster.

        Raises:
            ValueError: the data set was built without ``test_mode``.
            UnreadableImageError: the image was needed, and cannot be read.
        """
        truth = self.load(index).truth
        if truth is None:
            raise ValueError(f"{type(self).__name__} tells no truth; build it with test_mode=True")
        return truth

    @property
    def keypoint_set(self) -> Skeleton:
        """The skeleton of a data set that has one."""
        if self.skeleton is None:
            raise ValueError(f"{type(self).__name__} was built without a skeleton, but keypoints need one")
        return self.skeleton

    @property
    def metainfo(self) -> DatasetInfo:
        """What a metric needs to know of the whole set; mmengine hands it on as ``dataset_meta``."""
        return DatasetInfo(type(self).__name__, self.skeleton)

    @property
    def parts(self) -> tuple[str, ...]:
        """What truths name as their ``part``; none where the data set does not come from files."""
        return ()

    @property
    def annotation_file(self) -> AnnotationFile | None:
        """What its annotation files say; None where it comes from no such file, or the labels are withheld."""
        return None

    def __getitem__(self, key: int | SampleKey) -> Sample:
        """The transformed sample; a bare index means epoch 0 and seed 0."""
        key = key if isinstance(key, SampleKey) else SampleKey(int(key))
        if not 0 <= key.sample < len(self):
            raise IndexError(f"index {key.sample} is outside the {len(self)} samples of {type(self).__name__}")
        rng = np.random.default_rng([key.seed, key.epoch, key.sample])
        return transformed(replace(self._keep(key.sample), rng=rng), self.pipeline)  # what is kept stays as it is

    def _keep(self, index: int) -> Sample:
        if self._kept is None:
            return self._load(index)
        if index not in self._kept:
            self._kept[index] = self._load(index)
        return self._kept[index]

    def _check_loaded(self, sample: Any) -> None:
        """Raise ``ValueError`` where a subclass loads something that would be trained on all the same."""
        who = f"{type(self).__name__}.load"
        if not isinstance(sample, Sample):
            raise ValueError(f"{who} must return a Sample, got {type(sample).__name__}")
        if sample.image.dtype != np.uint8:
            raise ValueError(f"{who}: image {sample.image_id} must be uint8, 0 to 255, got {sample.image.dtype}")
        if sample.keypoints is not None and not np.isfinite(sample.keypoints[np.asarray(sample.visible) > 0]).all():
            raise ValueError(f"{who}: image {sample.image_id} has keypoints that are NaN or infinite; set visible to 0")

    def _load(self, index: int) -> Sample:
        reasons: list[str] = []
        while len(reasons) < len(self):
            try:
                sample = self.load((index + len(reasons)) % len(self))
                self._check_loaded(sample)
                return replace(sample, passed_over=tuple(reasons)) if reasons else sample
            except UnreadableImageError as error:
                if self.test_mode:
                    raise
                if self.on_unreadable == "error":
                    raise UnreadableImageError(f"{error}; on_unreadable='next' trains without it") from error
                reasons.append(str(error))
        raise UnreadableImageError(f"none of the {len(self)} images of {type(self).__name__} can be read")
