"""A look at data sets before training: what they hold, all faults, and what is odd, by the code that training runs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

import numpy as np
from mmengine.logging import MMLogger

from aemm.datasets import AnnotationError, ConcatDataset
from aemm.datasets.base import SampleDataset
from aemm.engine.config_check import ConfigError, check_loader
from aemm.engine.console import file_only
from aemm.formats.categories import CategoryChoice, skeleton_of
from aemm.formats.files import read_json
from aemm.formats.listed import LISTS, AnnotationFile, Tally
from aemm.formats.paths import UnreadableImageError
from aemm.ops.masks import decode_masks
from aemm.registry import DATASETS
from aemm.structures import Sample

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
_EXAMPLES = 4

Built = SampleDataset | ConcatDataset


class Example(NamedTuple):
    """Something to draw.

    Attributes:
        sample: an image and what is known of it.
        caption: which one it is.
        box: ``(4,)`` xyxy of what is meant; None = the whole image.
    """

    sample: Sample
    caption: str
    box: np.ndarray | None = None


@dataclass
class Warned:
    """What is odd and yet loads.

    Attributes:
        text: what it is, with a count.
        examples: of it.
    """

    text: str
    examples: list[Example] = field(default_factory=list)


@dataclass
class SetReport:
    """What became of one data set.

    Attributes:
        place: where the config names it.
        source: its kind, and the files that it reads.
        samples: how many it has; None where it could not be built.
        tally: what is in it, in numbers, as far as that is known.
        faults: what keeps it from being trained on or evaluated.
        warned: what is odd.
        examples: some of its samples as they are understood.
        images_read: how many images were opened.
        keypoints: names of the keypoints; none for masks.
    """

    place: str
    source: str
    samples: int | None = None
    tally: Tally | None = None
    faults: list[str] = field(default_factory=list)
    warned: list[Warned] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    images_read: int = 0
    keypoints: tuple[str, ...] = ()


class DataCheck:
    """Builds data sets, reads their images, and reports on each.

    Args:
        read_images: open every image that takes part, not only its annotation.

    Attributes:
        reports: of the data sets so far.
    """

    def __init__(self, read_images: bool = True) -> None:
        self.read_images = read_images
        self.reports: list[SetReport] = []

    def check_config(self, cfg: Mapping[str, Any]) -> None:
        """Check the data sets of all loaders of a config; what two loaders share is looked at once."""
        seen: list[Any] = []
        for key in LOADERS:
            loader = cfg.get(key)
            if not isinstance(loader, Mapping) or loader.get("dataset") in seen:
                continue
            seen.append(loader["dataset"])
            shared = [other for other in LOADERS if (cfg.get(other) or {}).get("dataset") == loader["dataset"]]
            place = ", ".join(shared)
            with file_only(MMLogger.get_current_instance(), 100):  # what it would say stands in the report
                built = self._build(loader["dataset"], place)
            if built is not None:
                try:
                    check_loader(built, loader)
                except ConfigError as error:
                    self.reports.append(SetReport(place, type(built).__name__, faults=[str(error)]))

    def check_file(self, ann_file: str, img_dir: str, skeleton: str | None, category: str | None) -> None:
        """Check an annotation file in COCO's format and its images.

        Args:
            ann_file: keypoints, or masks where no category names keypoints.
            img_dir: folder of the images.
            skeleton: the keypoint set; None = the one that the file names.
            category: of the objects that are meant; None = the only one that has keypoints and annotations.
        """
        node: dict[str, Any] = {"ann_file": ann_file, "img_dir": img_dir}
        data = read_json(ann_file, LISTS)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = skeleton_of(data, CategoryChoice(category)) if skeleton is None else skeleton
        if found is None and not any("keypoints" in entry for entry in data["categories"]):
            node |= {"type": "CocoInstanceDataset", "only_with_instances": False}
        else:
            node |= {"type": "CocoPoseDataset", "skeleton": found, "category": category, "images": "all"}
        with file_only(MMLogger.get_current_instance(), 100):
            self._build(node, "annotation file")
        self.reports[-1].warned += _said(caught)

    def _build(self, node: Mapping[str, Any], place: str) -> Built | None:
        """A data set with all its parts, each reported; None where a part has faults."""
        if isinstance(node.get("datasets"), list | tuple):
            parts = [self._build(part, f"{place}.datasets[{n}]") for n, part in enumerate(node["datasets"])]
            return None if None in parts else cast(Built, DATASETS.build({**node, "datasets": parts}))
        if isinstance(node.get("dataset"), Mapping):
            part = self._build(node["dataset"], f"{place}.dataset")
            return None if part is None else cast(Built, DATASETS.build({**node, "dataset": part}))
        report = SetReport(place, _source_of(node))
        self.reports.append(report)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                built = DATASETS.build(dict(node))
            except AnnotationError as error:
                report.faults += error.faults
            except OSError as error:
                report.faults.append(str(error))
        report.warned += _said(caught)
        if report.faults:
            return None
        report.samples = len(built)
        if isinstance(built, SampleDataset):
            self._look(built, report)
        return cast(Built, built)

    def _look(self, dataset: SampleDataset, report: SetReport) -> None:
        """Count what is there, and gather what is odd."""
        file = dataset.annotation_file
        report.keypoints = () if dataset.skeleton is None else dataset.skeleton.keypoints
        if file is not None:
            report.tally = file.tally()
            for notice in file.notices:
                report.warned.append(Warned(notice.text, list(_examples(dataset, file, notice.rows))))
        if not self.read_images:
            return
        counts = _Counts(dataset)
        for n in range(len(dataset)):
            if (sample := _read(dataset, n, report)) is not None:
                counts.add(sample)
                if len(report.examples) < _EXAMPLES:
                    report.examples.append(Example(sample, f"image {sample.image_id!r}"))
        report.faults = list(dict.fromkeys(report.faults))
        if report.tally is None:
            report.tally = counts.tally()


def _source_of(node: Mapping[str, Any]) -> str:
    root = str(node.get("data_root") or "")
    files = node.get("ann_file") or ([root] if root else [])
    named = [files] if isinstance(files, str) else list(files)
    return " ".join([str(node.get("type")), *map(str, named)])


def _said(caught: Sequence[warnings.WarningMessage], examples: Sequence[Example] = ()) -> list[Warned]:
    return [Warned(str(one.message), list(examples)) for one in caught if one.category is UserWarning]


def _read(dataset: SampleDataset, n: int, report: SetReport) -> Sample | None:
    """A sample as training loads it; what is said of its image goes into the report."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            sample = dataset.load(n)
        except UnreadableImageError as error:
            report.faults.append(str(error))
            return None
    report.images_read += 1
    report.warned += _said(caught, [Example(sample, f"image {sample.image_id!r}")])
    return sample


def _examples(dataset: SampleDataset, file: AnnotationFile, rows: Sequence[int]) -> Iterator[Example]:
    """Some of the annotations that a notice is about, of different images if there are such."""
    images = [file.image_of(row) for row in rows]
    _, first = np.unique(images, return_index=True)
    chosen = first if len(first) else range(len(rows))
    for place in list(chosen)[:_EXAMPLES]:
        row, i = rows[place], images[place]
        entry, truth = file.images[i], file.truth(i)
        alone = slice(row - file.rows(i).start, row - file.rows(i).start + 1)
        try:
            image = entry.load()
        except UnreadableImageError:  # reported where all images are read
            continue
        sample = Sample(image, entry.image_id, entry.size, skeleton=dataset.skeleton)
        if truth.keypoints is not None and truth.visible is not None:
            shown = (truth.keypoints[alone] != 0).any(2) & (truth.visible[alone] == 0)  # not annotated, yet placed
            seen = np.where(shown, 1, truth.visible[alone]).astype(np.int64)
            sample = replace(sample, keypoints=truth.keypoints[alone].astype(np.float32), visible=seen)
        elif truth.masks is not None:
            sample = replace(sample, masks=decode_masks(truth.masks[alone], entry.size))
        box = None if truth.boxes is None else truth.boxes[alone.start]
        yield Example(sample, f"image {entry.image_id!r} ({entry.file_name}), annotation {file.ids[row]!r}", box)


class _Counts:
    """What samples hold, for data sets that read no annotation file.

    Args:
        dataset: whose samples they are.
    """

    def __init__(self, dataset: SampleDataset) -> None:
        self.classes = dataset.metainfo.classes or ("person",)
        self.images = self.annotated = 0
        self.labels: list[int] = []
        self.areas: list[float] = []
        self.visible: list[np.ndarray] = []

    def add(self, sample: Sample) -> None:
        """Count what a sample holds."""
        instances = sample.keypoints if sample.masks is None else sample.masks
        count = 0 if instances is None else len(instances)
        self.images += 1
        self.annotated += count > 0
        self.labels += [0] * count if sample.labels is None else sample.labels.tolist()
        if sample.masks is not None:
            self.areas += sample.masks.sum((1, 2)).tolist()
        elif sample.keypoints is not None and sample.visible is not None:
            self.visible.append(sample.visible)
            for points, seen in zip(sample.keypoints, sample.visible > 0, strict=True):
                sides = np.ptp(points[seen], axis=0) if seen.any() else np.zeros(2)
                self.areas.append(float(sides.prod()))

    def tally(self) -> Tally:
        """What was counted."""
        count = np.bincount(self.labels, minlength=len(self.classes)).tolist()
        seen = np.concatenate(self.visible) if self.visible else None
        levels = np.arange(3)[:, None, None]
        return Tally(
            images=self.images,
            annotated=self.annotated,
            instances=dict(zip(self.classes, count, strict=True)),
            crowds=0,
            unlabelled=0,
            others=0,
            visibility=None if seen is None else (seen == levels).sum(1).T,
            areas=np.array(self.areas),
        )
