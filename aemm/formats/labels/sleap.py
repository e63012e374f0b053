"""SLEAP and DeepLabCut, as sleap-io reads them: an extra.

Reference: https://io.sleap.ai
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aemm.formats.files import AnnotationError
from aemm.formats.image import write_picture
from aemm.formats.labels.records import ImageSearch, Labelled, LabelledImage, LabelledSet, ObjectKind, Point

_ANIMAL = "animal"
_UNSAFE = re.compile(r"[^\w.-]+")


def read_sleap(path: str, frames: str) -> LabelledSet:
    """The labelled frames of a project of SLEAP.

    Args:
        path: of the ``.slp`` file, which may hold its images.
        frames: folder to write frames of videos to; images that are files stay where they are.

    Raises:
        ImportError: sleap-io is not installed.
        AnnotationError: the file is none of SLEAP's.
        OSError: a file cannot be opened or written.
    """
    return _Reader(path, frames).read(_sleap_io().load_slp)


def read_deeplabcut(path: str, frames: str) -> LabelledSet:
    """The labels of a project of DeepLabCut, or of one of its videos.

    Args:
        path: of the project's ``config.yaml``, or of a ``CollectedData_*.csv``.
        frames: see :func:`read_sleap`.

    Raises:
        ImportError: sleap-io is not installed.
        AnnotationError: the file is none of DeepLabCut's.
        OSError: a file cannot be opened or written.
    """
    io = _sleap_io()
    whole = path.lower().endswith((".yaml", ".yml"))
    return _Reader(path, frames).read(io.load_dlc_project if whole else io.load_dlc)


def _sleap_io() -> Any:
    try:
        import sleap_io
    except ImportError as error:
        raise ImportError(f'sleap-io cannot be imported ({error}); pip install "aemm[sleap-io]"') from error
    return sleap_io


class _Reader:
    """Turns what sleap-io read into a set.

    Args:
        path: of the file.
        frames: folder to write frames of videos to.
    """

    def __init__(self, path: str, frames: str) -> None:
        self.path, self.frames = path, frames
        self.found = LabelledSet()
        self.search = ImageSearch(self.found, ["", os.path.dirname(os.path.abspath(path))])

    def read(self, load: Any) -> LabelledSet:
        """The set that a function of sleap-io loads."""
        if not os.path.isfile(self.path):
            raise FileNotFoundError(f"file of labels {self.path} does not exist")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                labels = load(self.path)
        except MemoryError:
            raise
        except Exception as error:  # a damaged file makes its readers raise anything
            told = f"sleap-io cannot read it ({type(error).__name__}: {error})"
            raise AnnotationError(self.path, [told]) from error
        for skeleton in labels.skeletons[:1]:
            self.found.kinds[_ANIMAL] = _kind(skeleton)
        for frame in labels.labeled_frames:
            self._add(frame)
        return self.found

    def _add(self, frame: Any) -> None:
        own = [one for one in frame.instances if type(one).__name__ == "Instance"]
        self.found.dropped["instances that a network predicted"] += len(frame.instances) - len(own)
        if not own:
            self.found.lose("frames that nobody has labelled", f"frame {frame.frame_idx}", "it has no instance")
            return
        image = self._image(frame)
        if image is None:
            return
        for instance in own:
            if instance.skeleton.node_names != self.found.kinds[_ANIMAL].keypoints:
                self.found.read["objects"] += 1
                self.found.dropped["objects of another skeleton"] += 1
                continue
            thing = Labelled(_ANIMAL)
            for name, (x, y) in zip(instance.skeleton.node_names, instance.numpy().tolist(), strict=True):
                if np.isfinite([x, y]).all():
                    self.found.add_point(thing, name, Point(x, y))
            image.objects.append(thing)
        self.found.add_image(image)

    def _image(self, frame: Any) -> LabelledImage | None:
        """The image of a frame: a file of its own, or one that is written."""
        names = frame.video.filename
        if isinstance(names, list):
            return self.search.open(str(names[frame.frame_idx]))
        video = Path(str(names)).stem
        name = f"{_UNSAFE.sub('_', video)}_{frame.frame_idx:06d}.png"
        try:
            picture = np.asarray(frame.image)
        except Exception as error:  # whatever a decoder of videos raises
            self.found.read["images"] += 1
            self.found.lose("frames that cannot be read", f"{video}, frame {frame.frame_idx}", str(error))
            return None
        os.makedirs(self.frames, exist_ok=True)
        written = os.path.join(self.frames, name)
        write_picture(written, picture)
        self.found.read["frames of videos, written as images"] += 1
        return self.search.open(os.path.abspath(written))


def _kind(skeleton: Any) -> ObjectKind:
    """Names, limbs and counterparts of a skeleton."""
    names = list(skeleton.node_names)
    flips: dict[str, str] = {}
    for one, other in _symmetries(skeleton):
        flips[one], flips[other] = other, one
    whole = {name: flips.get(name, name) for name in names} if flips else None
    return ObjectKind(names, True, [(str(a), str(b)) for a, b in skeleton.edge_names], whole)


def _symmetries(skeleton: Any) -> Iterator[tuple[str, str]]:
    for symmetry in skeleton.symmetries:
        one, other = sorted(node.name for node in symmetry.nodes)
        yield one, other
