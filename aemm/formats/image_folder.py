"""The folder of the images that an annotation file lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from mmengine.fileio import get_file_backend
from mmengine.fileio.backends import LocalBackend

from aemm.formats.absent import absent_names, describe_absent
from aemm.formats.image import load_annotated_image
from aemm.formats.paths import plain_name, resolve_inside
from aemm.formats.shards import ShardBackend
from aemm.ops.orientation import Exif

_SHOWN = 8


@dataclass(frozen=True)
class ImageFolder:
    """Where the images of an annotation file are, and how they are meant.

    Attributes:
        path: of the folder, its address, or shards, see :mod:`aemm.formats.shards`.
        exif: see :func:`aemm.formats.image.load_annotated_image`.
        allow_outside: file names may be absolute or lead out of the folder.
    """

    path: str
    exif: Exif | None = None
    allow_outside: bool = False

    def faults(self, names: Iterable[str]) -> list[str]:
        """What is wrong with the names of files: those that lead out of the folder, and those that are not there."""
        faults, inside = [], []
        for name in names:
            if plain_name(name):
                inside.append(name)
                continue
            try:
                resolve_inside(self.path, name, self.allow_outside)
                inside.append(name)
            except ValueError as error:
                faults.append(f"images: {error}")
        if len(faults) > _SHOWN:
            faults[_SHOWN:] = [f"images: {len(faults) - _SHOWN} more file names lead out of the folder"]
        return faults + self._absent_faults(inside)

    def _absent_faults(self, names: Sequence[str]) -> list[str]:
        """What is said of files that are not there; those of a store are not asked for one by one."""
        backend = get_file_backend(self.path)
        if isinstance(backend, LocalBackend) and (absent := absent_names(self.path, names)):
            return [describe_absent(self.path, absent, len(names))]
        if isinstance(backend, ShardBackend):
            absent = [name for name in names if not backend.exists(resolve_inside(self.path, name, True))]
            listed = ", ".join(map(repr, absent[:_SHOWN]))
            said = f"images: {len(absent)} of {len(names)} files are in no shard of {self.path}, such as {listed}"
            return [f"{said}; img_dir must name the shards of this annotation file"] if absent else []
        return []

    def load(self, name: str, size: tuple[int, int], source: str) -> np.ndarray:
        """An image ``(H, W, 3) uint8`` RGB.

        Args:
            name: of its file, as the annotation file gives it.
            size: ``(height, width)`` that it states.
            source: the annotation file, for messages.

        Raises:
            UnreadableImageError: it cannot be read, or has another size.
            ValueError: the name leads out of the folder.
        """
        path = resolve_inside(self.path, name, self.allow_outside)
        return load_annotated_image(path, size, source, self.exif)
