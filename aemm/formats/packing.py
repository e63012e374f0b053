"""Images of an annotation file packed into shards, each with its index, as WebDataset lays them out."""

from __future__ import annotations

import io
import json
import posixpath
import tarfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aemm.formats.files import read_json, write_json
from aemm.formats.listed import LISTS, AnnotationSource
from aemm.formats.paths import UnreadableImageError, read_bytes, resolve_inside
from aemm.formats.shards import INDEX, scan_shard

_STEM = "images"


@dataclass
class Packed:
    """What was packed.

    Attributes:
        shards: paths of the files.
        images: how many are in them.
        size: of the images.
        left_out: what could not be read, and why.
    """

    shards: list[Path] = field(default_factory=list)
    images: int = 0
    size: int = 0
    left_out: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """What a config names as its ``img_dir``."""
        first, last = self.shards[0], self.shards[-1]
        numbers = f"{{{_number(first)}..{_number(last)}}}"
        return f"tar://{first.parent / (f'{_STEM}-{numbers}.tar' if first != last else first.name)}"


def _number(path: Path) -> str:
    return path.stem.removeprefix(f"{_STEM}-")


def pack_images(
    source: AnnotationSource, folder: Path, most: int, tell: Callable[[Packed], object] = lambda packed: None
) -> Packed:
    """Pack the images that an annotation file lists, in its order.

    Every image keeps its name; beside it lies a json file of the same name with its entry and its annotations, by which
    WebDataset reads both as one sample. The annotation file itself stays what aemm reads.

    Args:
        source: annotation file, and folder of the images.
        folder: where the shards go; it is made.
        most: bytes of a shard, beyond which the next one begins.
        tell: called after every image.

    Raises:
        FileExistsError: there are shards in the folder.
        AnnotationError: the annotation file is none.
        ValueError: no image could be read.
        OSError: a shard cannot be written.
    """
    data = read_json(source.path, LISTS[:1], optional=LISTS)
    if there := sorted(folder.glob("*.tar")):
        raise FileExistsError(f"{folder} holds shards, such as {there[0].name}; name another folder, or remove them")
    of_image: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for row in data.get("annotations") or ():
        of_image[row.get("image_id")].append(row)
    packed, writer = Packed(), _Writer(folder, most)
    for image in data["images"]:
        name = image.get("file_name")
        try:
            content = read_bytes(resolve_inside(source.folder.path, name, source.folder.allow_outside))
        except (UnreadableImageError, ValueError) as error:
            packed.left_out.append(str(error))
            continue
        name = posixpath.normpath(name)
        about = json.dumps({"image": image, "annotations": of_image[image.get("id")]}).encode()
        writer.add([(name, content), (_beside(name), about)])
        packed.images += 1
        packed.size += len(content)
        tell(packed)
    packed.shards = writer.close()
    if not packed.images:
        raise ValueError(
            f"no image of {source.path} could be read: {'; '.join(packed.left_out[:3]) or 'it lists none'}"
        )
    return packed


def _beside(name: str) -> str:
    """The name of the json file that WebDataset joins with an image: up to the first dot they are equal."""
    folder, base = posixpath.split(name)
    return posixpath.join(folder, base.split(".")[0] + ".json")


class _Writer:
    """Shards, one after the other; each takes its place when it is whole, and its index then.

    Args:
        folder: where they go.
        most: bytes of a shard.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = folder, most
        self.paths: list[Path] = []
        self._tar: tarfile.TarFile | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, members: Sequence[tuple[str, bytes]]) -> None:
        """Add files that stay together."""
        if self._tar is not None and self._tar.offset + sum(len(data) for _, data in members) > self.most:
            self._finish()
        if self._tar is None:
            self._tar = tarfile.open(self._part(), "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed when full
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            self._tar.addfile(entry, io.BytesIO(data))

    def close(self) -> list[Path]:
        """Finish the last shard; the paths of all."""
        if self._tar is not None:
            self._finish()
        return self.paths

    def _part(self) -> Path:
        return self.folder / f".{_STEM}.part"

    def _finish(self) -> None:
        assert self._tar is not None
        self._tar.close()
        self._tar = None
        path = self.folder / f"{_STEM}-{len(self.paths):06d}.tar"
        self._part().replace(path)
        files = {name: [start, size] for name, start, size in scan_shard(str(path))}
        write_json(f"{path}{INDEX}", {"bytes": path.stat().st_size, "files": files})
        self.paths.append(path)
