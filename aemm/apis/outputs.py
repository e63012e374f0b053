"""What comes out: results as json, pictures and videos, written so that what was found is never lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal, Protocol, TextIO

import cv2
import numpy as np

from aemm.apis.account import Account
from aemm.apis.inputs import Source
from aemm.formats import picture_name
from aemm.formats.coco_found import FoundSet
from aemm.formats.files import told_with, write_json
from aemm.records import DatasetInfo, check_choice, to_plain
from aemm.skeletons import Skeleton
from aemm.structures import ImageId, Instances
from aemm.visualization import save_picture

PictureKind = Literal["png", "jpg"]


class Results(Protocol):
    """Where results are written, one image after the other."""

    def write(self, found: Instances) -> None:
        """Add the instances of an image."""

    def close(self, account: Account, complete: bool) -> None:
        """Finish the file; ``complete`` is False where the run was stopped before its end."""


class JsonFile:
    """One json object: ``skeleton``, ``images``, ``left_out``, ``complete``.

    It is written beside its place as results come, and takes its place when it is finished, so that there is always
    a valid file there or none; a run that is killed leaves what it had found in ``NAME.part``.

    Args:
        path: of the file.
        skeleton: of the keypoints, if there are any.

    Raises:
        OSError: it cannot be written there.
    """

    def __init__(self, path: str | Path, skeleton: Skeleton | None) -> None:
        self.path, self.part = Path(path), Path(f"{path}.part")
        self.file = _open(self.part)
        names = None if skeleton is None else skeleton.to_dict()
        self.file.write(f'{{"skeleton": {json.dumps(names)}, "images": [')
        self.between = "\n"

    def write(self, found: Instances) -> None:
        """Add the instances of an image."""
        with told_with(self.path):
            self.file.write(self.between + _as_json(found))
            self.file.flush()
        self.between = ",\n"

    def close(self, account: Account, complete: bool) -> None:
        """Finish the file, with what was left out and why."""
        rows = [{"input": row.name, "reason": row.reason} for row in (*account.left_out, *account.partial)]
        rows += [{"input": name, "reason": "neither image nor video"} for name in account.other]
        with told_with(self.path):
            self.file.write(f'\n], "left_out": {json.dumps(rows)}, "complete": {json.dumps(complete)}}}\n')
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
        self.part.replace(self.path)


class JsonLines:
    """A line of json for every image, there as soon as its image is done.

    Args:
        path: of the file.

    Raises:
        OSError: it cannot be written there.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.file = _open(Path(path))

    def write(self, found: Instances) -> None:
        """Add the instances of an image."""
        with told_with(self.path):
            self.file.write(_as_json(found) + "\n")
            self.file.flush()

    def close(self, account: Account, complete: bool) -> None:
        """Close the file."""
        with told_with(self.path):
            self.file.close()


class CocoFile:
    """A COCO file of what was found, see :class:`aemm.formats.coco_found.FoundSet`, written when the run ends.

    Args:
        path: of the file.
        info: keypoint set, or classes.
    """

    def __init__(self, path: str | Path, info: DatasetInfo) -> None:
        self.path, self.found = path, FoundSet(info)

    def write(self, found: Instances) -> None:
        """Add the instances of an image."""
        self.found.add(found)

    def close(self, account: Account, complete: bool) -> None:
        """Write the file as a whole."""
        write_json(self.path, self.found.to_dict())


class ArraysFile:
    """Everything as NumPy arrays in one npz file, written when the run ends, also where it was stopped.

    ``image_ids (I,)`` and ``image_sizes (I, 2)`` are those of the images, ``complete`` says whether the run came to its
    end, and ``images (N,)`` in which image each of the N instances is. The other arrays have a row for every instance:
    ``scores``, and as far as the model finds them ``keypoints (N, K, 2)``, ``keypoint_scores (N, K)``, ``tags (N, L)``,
    ``labels``, ``track_ids``, and ``masks (N,)``, run lengths as text.

    Args:
        path: of the file.
    """

    _FIELDS = ("scores", "keypoints", "keypoint_scores", "tags", "labels", "track_ids")

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.ids: list[str] = []
        self.sizes: list[tuple[int, int]] = []
        self.rows: dict[str, list[np.ndarray]] = {}

    def write(self, found: Instances) -> None:
        """Add the instances of an image."""
        self._add("images", np.full(len(found), len(self.ids), np.int64))
        self.ids.append(str(found.image_id))
        self.sizes.append(found.image_size)
        for name in self._FIELDS:
            if (values := getattr(found, name)) is not None:
                self._add(name, values)
        if found.masks is not None:
            self._add("masks", np.array([mask["counts"] for mask in found.masks], np.str_))

    def _add(self, name: str, values: np.ndarray) -> None:
        self.rows.setdefault(name, []).append(values)

    def close(self, account: Account, complete: bool) -> None:
        """Write the file beside its place, and move it there."""
        arrays = {name: np.concatenate(parts) for name, parts in self.rows.items()}
        arrays["image_ids"] = np.array([writable(name) for name in self.ids], np.str_)
        arrays["image_sizes"] = np.array(self.sizes, np.int64).reshape(-1, 2)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = Path(f"{self.path}.part")
        with told_with(self.path), part.open("wb") as file:
            np.savez(file, complete=complete, **arrays)  # type: ignore[arg-type]
        part.replace(self.path)


def writable(name: str) -> str:
    """A name without the stand-ins for bytes that are no text."""
    return name.encode("utf-8", "backslashreplace").decode()


def _as_json(found: Instances) -> str:
    try:
        return json.dumps(to_plain(found), allow_nan=False)
    except ValueError as error:
        raise ValueError(f"image {found.image_id}: what was found is not finite; the weights are broken") from error


def _open(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w", encoding="utf-8")


def open_results(path: str | Path, info: DatasetInfo) -> Results:
    """The file for results that the ending of its name asks for.

    Args:
        path: ``.jsonl`` for a line for every image, ``.coco.json`` for a COCO file, ``.npz`` for arrays, anything else
            for one json object.
        info: keypoint set, or classes.
    """
    name = str(path).lower()
    if name.endswith(".coco.json"):
        return CocoFile(path, info)
    if name.endswith(".npz"):
        return ArraysFile(path)
    return JsonLines(path) if name.endswith(".jsonl") else JsonFile(path, info.skeleton)


class Pictures:
    """Drawings in a folder: a picture for every image and page, a video for every video and animation.

    Their names are those of :func:`aemm.formats.picture_name`. Videos keep their frame rate and lose their sound; where
    a frame could not be decoded, the one before is shown longer, so that the time stays right.

    Args:
        folder: made if it is not there.
        kind: of the pictures: png, which loses nothing, or jpg, which is written in a tenth of the time.

    Raises:
        ValueError: there is no such kind.
    """

    def __init__(self, folder: str | Path, kind: PictureKind = "png") -> None:
        check_choice("pictures_as", kind, PictureKind)
        self.folder, self.kind = Path(folder), kind
        self.folder.mkdir(parents=True, exist_ok=True)
        self.video: _Video | None = None
        self.source: Source | None = None

    def write(self, source: Source, image_id: ImageId, picture: np.ndarray, number: int = 0) -> None:
        """Add a drawing.

        Args:
            source: of the image.
            image_id: of the image.
            picture: ``(H, W, 3) uint8`` RGB.
            number: of the frame, where the source moves.

        Raises:
            OSError: it cannot be written.
        """
        if source is not self.source:
            self.close()
            self.source = source
        if source.rate is None:
            save_picture(self.folder / picture_name(image_id, f".{self.kind}"), picture)
            return
        if self.video is None:
            self.video = _Video(self.folder / picture_name(str(source.name), ".mp4"), source.rate, picture.shape[:2])
        self.video.write(picture, number)

    def close(self) -> None:
        """Finish the video that is being written.

        Raises:
            OSError: it was not written whole.
        """
        video = self.video
        self.video = None
        self.source = None
        if video is not None:
            video.close()


class _Video:
    """An mp4 file of one size."""

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        self.path, self.size = path, (size[0] + size[0] % 2, size[1] + size[1] % 2)  # the coder takes even sizes only
        self.file = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, self.size[::-1])
        if not self.file.isOpened():
            raise OSError(f"cannot write a video to {path}; is there room, and was OpenCV built with FFmpeg?")
        self.number, self.last = -1, np.zeros((*self.size, 3), np.uint8)

    def write(self, picture: np.ndarray, number: int) -> None:
        """Add a frame; those before it that are missing are filled with the one before them."""
        for _ in range(self.number + 1, number):
            self.file.write(self.last)
        height, width = self.size
        shown = picture[:height, :width, ::-1]
        frame = np.pad(shown, ((0, height - shown.shape[0]), (0, width - shown.shape[1]), (0, 0)), "edge")
        self.file.write(frame)
        self.number, self.last = number, frame

    def close(self) -> None:
        """Finish the file, and look at it: the writer itself tells nothing."""
        self.file.release()
        written = cv2.VideoCapture(str(self.path))
        # an interrupt may fall between the writing of a frame and its being counted
        whole = written.get(cv2.CAP_PROP_FRAME_COUNT) >= self.number + 1
        written.release()
        if not whole:
            raise OSError(f"video {self.path} was not written whole; is the disk full?")
