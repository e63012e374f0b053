"""Images and annotations of one COCO-format file, or of several joined, image by image.

Letters: I images, A annotations.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from aemm.formats.image_folder import ImageFolder
from aemm.formats.notices import Notice
from aemm.formats.packed import PackedValues, SharesArrays, numbers, packed_ids
from aemm.formats.shards import below
from aemm.formats.values import identifier
from aemm.ops.orientation import Exif
from aemm.records import ImageId, Truth

LISTS = ("images", "annotations", "categories")


class AnnotationSource(NamedTuple):
    """An annotation file and where its images are.

    Attributes:
        path: of the json file.
        folder: of the images.
    """

    path: str
    folder: ImageFolder


def list_sources(
    ann_file: str | Sequence[str],
    img_dir: str | Sequence[str],
    data_root: str = "",
    exif: Exif | None = None,
    allow_outside: bool = False,
) -> list[AnnotationSource]:
    """The files that a data set names.

    Args:
        ann_file: a json file, or several.
        img_dir: folder of the images, or one for each file.
        data_root: put before files and folders that are relative.
        exif: see :class:`~aemm.formats.image_folder.ImageFolder`.
        allow_outside: file names may lead out of their folder.

    Raises:
        ValueError: none is named, one is named twice, or folders and files are of different number.
    """
    files, folders = _texts("ann_file", ann_file), _texts("img_dir", img_dir)
    if len(folders) == 1:
        folders *= len(files)
    if not files or len(files) != len(folders):
        raise ValueError(
            "ann_file must name a file or more, and img_dir one folder or one for each file; got "
            f"{len(files)} files and {len(folders)} folders"
        )
    if len(set(files)) < len(files):
        raise ValueError(f"ann_file names a file twice, {files}; RepeatDataset repeats one")
    return [
        AnnotationSource(below(data_root, file), ImageFolder(below(data_root, folder), exif, allow_outside))
        for file, folder in zip(files, folders, strict=True)
    ]


def _texts(field: str, value: Any) -> list[str]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    if strangers := [entry for entry in values if not isinstance(entry, str | os.PathLike)]:
        raise ValueError(f"{field} must be a path or a list of paths, got {strangers[0]!r:.80}")
    return [os.fspath(entry) for entry in values]


def only_source(sources: Sequence[AnnotationSource], who: str) -> AnnotationSource:
    """The one file of a data set that reads no more.

    Raises:
        ValueError: there are several.
    """
    if len(sources) > 1:
        raise ValueError(
            f"{who} reads one annotation file, got {[source.path for source in sources]}; join several by "
            f"dict(type='ConcatDataset', datasets=[dict(type={who!r}, ...), ...])"
        )
    return sources[0]


class ImageEntry(NamedTuple):
    """One image of a file.

    Attributes:
        image_id: as the file names it.
        file_name: relative to the folder of the images.
        size: ``(height, width)``.
        source: the file.
        crowd_index: 0 to 1, where the file gives it.
        withheld: the file does not say what the image shows.
    """

    image_id: ImageId
    file_name: str
    size: tuple[int, int]
    source: AnnotationSource
    crowd_index: float | None = None
    withheld: bool = False

    def load(self) -> np.ndarray:
        """The image ``(H, W, 3) uint8`` RGB.

        Raises:
            UnreadableImageError: it cannot be read, or has another size.
        """
        return self.source.folder.load(self.file_name, self.size, self.source.path)

    def bare_truth(self) -> Truth:
        """What is known where the labels are withheld."""
        return Truth(self.image_id, self.size, self.source.path, crowd_index=self.crowd_index)


class ImageTable(SharesArrays, Sequence[ImageEntry]):
    """The images of files, packed; an entry is made when it is asked for.

    Args:
        parts: checked lists of images, the files they are of, and whether these do not say what the images show.

    Attributes:
        sizes: ``(I, 2)`` height and width.
        withheld: ``(I,) bool``.
    """

    def __init__(self, parts: Sequence[tuple[Sequence[Mapping[str, Any]], AnnotationSource, bool]]) -> None:
        images = [image for entries, _, _ in parts for image in entries]
        counts = [len(entries) for entries, _, _ in parts]
        self.sources = [source for _, source, _ in parts]
        self._source = np.repeat(np.arange(len(parts), dtype=np.int32), counts)
        self.withheld = np.repeat(np.array([withheld for _, _, withheld in parts], bool), counts)
        self._ids = packed_ids([identifier(image["id"]) for image in images])
        self._names = PackedValues([image["file_name"] for image in images])
        self.sizes = numbers([(image["height"], image["width"]) for image in images], 2).astype(np.int64)
        indices = [image.get("crowdIndex") for image in images]
        self._crowd_indices = PackedValues(indices) if any(index is not None for index in indices) else None

    def __len__(self) -> int:
        """Number of images."""
        return len(self._ids)

    def __getitem__(self, i: Any) -> Any:
        """The entry of image ``i``."""
        size = self.sizes[i].tolist()
        return ImageEntry(
            self._ids[i],
            self._names[i],
            (size[0], size[1]),
            self.sources[self._source[i]],
            None if self._crowd_indices is None else self._crowd_indices[i],
            bool(self.withheld[i]),
        )


class Listed(NamedTuple):
    """The annotations of files, image by image, each image's in the order of its file.

    Attributes:
        entries: the I images, as lists of their files, with each file and whether its labels are withheld.
        rows: the A annotations that take part, as they stand in the files.
        first: ``(I + 1,)``; the annotations of image i are ``first[i]`` to ``first[i + 1]``.
    """

    entries: list[tuple[Sequence[Mapping[str, Any]], AnnotationSource, bool]]
    rows: list[Mapping[str, Any]]
    first: np.ndarray

    @classmethod
    def of(cls, source: AnnotationSource, data: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Listed:
        """The images of a checked file, and those of its annotations that take part.

        A file without any annotations says nothing of its images.
        """
        place = {identifier(image["id"]): n for n, image in enumerate(data["images"])}
        of_image = np.array([place[row["image_id"]] for row in rows], np.int64)
        order = np.argsort(of_image, kind="stable")
        first = np.searchsorted(of_image[order], np.arange(len(place) + 1))
        return cls([(data["images"], source, not data.get("annotations"))], [rows[n] for n in order.tolist()], first)

    @classmethod
    def joined(cls, parts: Sequence[Listed]) -> Listed:
        """Several files behind each other; equal identifiers of different files stay apart by their source."""
        before = np.cumsum([0, *(len(part.rows) for part in parts)])
        firsts = [part.first[:-1] + start for part, start in zip(parts, before[:-1].tolist(), strict=True)]
        return cls(
            [entries for part in parts for entries in part.entries],
            [row for part in parts for row in part.rows],
            np.concatenate([*firsts, before[-1:]]),
        )

    def images(self) -> ImageTable:
        """The images, packed."""
        return ImageTable(self.entries)

    def numbers(self) -> np.ndarray:
        """Place ``(A,)`` of each annotation's image."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))


class Tally(NamedTuple):
    """What files hold, in numbers.

    Attributes:
        images: number of them.
        annotated: of them, those with somebody (or something) to learn from.
        instances: to learn from, by the name of their class.
        crowds: regions of many instances.
        unlabelled: people without keypoints of their own.
        others: annotations of other categories, which are left out.
        visibility: ``(K, 3)`` keypoints of the instances to learn from, by visibility 0, 1, 2; None for masks.
        areas: ``(N,)`` square pixels of the instances to learn from.
    """

    images: int
    annotated: int
    instances: dict[str, int]
    crowds: int
    unlabelled: int
    others: int
    visibility: np.ndarray | None
    areas: np.ndarray


class AnnotationFile(SharesArrays, ABC):
    """What one annotation file says, or several joined, laid out flat.

    Args:
        listed: images and the annotations that take part.

    Attributes:
        images: I entries.
        ids: A identifiers of annotations.
        notices: what is odd about the files.
        others: how many annotations of other categories were left out.
    """

    notices: list[Notice]
    others: int

    def __init__(self, listed: Listed) -> None:
        self.images = listed.images()
        self.ids = packed_ids([row["id"] for row in listed.rows])
        self._first = listed.first

    def rows(self, i: int) -> slice:
        """The annotations of image ``i``."""
        return slice(int(self._first[i]), int(self._first[i + 1]))

    def image_of(self, row: int) -> int:
        """Place of the image of an annotation."""
        return int(np.searchsorted(self._first, row, side="right")) - 1

    @abstractmethod
    def truth(self, i: int) -> Truth:
        """What the file says of image ``i``."""

    @abstractmethod
    def tally(self) -> Tally:
        """What is there, in numbers."""

    def _annotated_images(self, learnt: np.ndarray) -> int:
        """How many images have an annotation among the ``(A,) bool`` ones."""
        places = np.flatnonzero(learnt)
        return len(np.unique(np.searchsorted(self._first, places, side="right")))


def same_everywhere(field: str, values: Sequence[tuple[str, Any]], remedy: str) -> None:
    """Raise ``ValueError`` unless the files agree in a field.

    Args:
        field: what it is, for the message.
        values: path of each file, and its value.
        remedy: what to do.
    """
    for (path, value), (other_path, other) in pairwise(values):
        if value != other:
            raise ValueError(f"{field} of {path} and {other_path} differ: {value!r:.200} and {other!r:.200}; {remedy}")
