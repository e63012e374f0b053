"""Images in tar files, read in any order: WebDataset's shards with an index, as a map and not as a stream.

The address of an image is ``tar://SHARDS/NAME``, where SHARDS ends in ``.tar``: one file, a range such as
``train-{000..117}.tar``, or a pattern such as ``train-*.tar``. In a store it is ``tar+s3://bucket/train-{000..117}.tar``.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from glob import glob, has_magic
from hashlib import blake2b
from typing import BinaryIO

import numpy as np
from mmengine.fileio import register_backend
from mmengine.fileio.backends import BaseStorageBackend

from aemm.formats.paths import MAX_BYTES
from aemm.formats.stores import PROTOCOLS, FsspecBackend

INDEX = ".index"  # behind the name of a shard
MAX_SHARDS = 100_000
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_SPLIT = re.compile(r"(?<=\.tar)/")


def shard_paths(pattern: str) -> list[str]:
    """The files that a pattern stands for.

    Args:
        pattern: a path, one with a range of numbers in braces, or one with ``*`` or ``?`` on a local disk.

    Raises:
        ValueError: the range counts down, or is too long.
        FileNotFoundError: nothing fits.

    >>> shard_paths("a-{08..10}.tar")
    ['a-08.tar', 'a-09.tar', 'a-10.tar']
    """
    if match := _RANGE.search(pattern):
        first, last = match[1], match[2]
        if not 0 <= int(last) - int(first) < MAX_SHARDS:
            raise ValueError(f"{pattern}: {match[0]} must count up, over at most {MAX_SHARDS} shards")
        numbers = (f"{n:0{len(first)}d}" for n in range(int(first), int(last) + 1))
        return [pattern[: match.start()] + n + pattern[match.end() :] for n in numbers]
    if "://" in pattern or not has_magic(pattern):
        return [pattern]
    if found := sorted(glob(pattern)):
        return found
    raise FileNotFoundError(f"no shard fits {pattern}")


class Shards:
    """The members of shards by name, in arrays, so that processes that are forked share them.

    Args:
        paths: of the shards.

    Raises:
        FileNotFoundError: one does not exist.
        OSError: one is no plain tar file, or its index is not of it.
        ValueError: two members have one name.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = list(paths)
        keys: list[int] = []
        places: list[tuple[int, int, int]] = []
        for n, path in enumerate(self.paths):
            for name, start, size in _members(path):
                keys.append(_key(name))
                places.append((n, start, size))
        order = np.argsort(np.array(keys, np.uint64), kind="stable")
        self._keys = np.array(keys, np.uint64)[order]
        self._places = np.array(places, np.int64).reshape(-1, 3)[order]
        if len(twice := np.flatnonzero(self._keys[1:] == self._keys[:-1])):
            one, two = (self.paths[int(self._places[twice[0] + i, 0])] for i in (0, 1))
            raise ValueError(f"{len(twice)} members of the shards have the name of another, such as in {one} and {two}")

    def __len__(self) -> int:
        """Number of members."""
        return len(self._keys)

    def __contains__(self, name: str) -> bool:
        """Whether there is a member of that name."""
        return self._find(name) is not None

    def read(self, name: str) -> bytes:
        """The content of a member.

        Raises:
            FileNotFoundError: there is none of that name.
            OSError: the shard is shorter than it was.
        """
        row = self._find(name)
        if row is None:
            raise FileNotFoundError(f"{name} is in none of {len(self.paths)} shards, {self.paths[0]} and so on")
        shard, start, size = self._places[row].tolist()
        path = self.paths[shard]
        if size > MAX_BYTES:
            raise OSError(f"{name} in shard {path} has {size} bytes; files of up to {MAX_BYTES} are read")
        if "://" in path:
            data = FsspecBackend().get_part(path, start, start + size)
        else:
            with open(path, "rb") as file:
                file.seek(start)
                data = file.read(size)
        if len(data) < size:
            raise OSError(f"shard {path} ends within {name}; it was cut off since it was indexed")
        return data

    def _find(self, name: str) -> int | None:
        key = np.uint64(_key(name))
        row = int(np.searchsorted(self._keys, key))
        return row if row < len(self._keys) and self._keys[row] == key else None


def _key(name: str) -> int:
    """A number of 64 bits that stands for a name."""
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big")


def _open(path: str) -> BinaryIO:
    return FsspecBackend().open(path) if "://" in path else open(path, "rb")


def _members(path: str) -> Iterator[tuple[str, int, int]]:
    """Name, first byte and size of every file in a shard, from its index if there is one."""
    try:
        with _open(path + INDEX) as file:
            index = json.loads(file.read())
    except FileNotFoundError:
        yield from scan_shard(path)
        return
    except (ValueError, RecursionError) as error:
        raise OSError(
            f"{path}{INDEX} is no index ({error}); remove it, and the shard itself is looked through"
        ) from error
    with _open(path) as file:
        size = file.seek(0, 2)
    if not isinstance(index, dict) or index.get("bytes") != size or not isinstance(index.get("files"), dict):
        raise OSError(f"{path}{INDEX} is not the index of {path} ({size} bytes); remove it, or pack the images anew")
    for name, place in index["files"].items():
        if not (isinstance(place, list) and len(place) == 2 and all(type(n) is int and 0 <= n <= size for n in place)):
            raise OSError(
                f"{path}{INDEX}: {name!r} must have its first byte and size within the shard, got {place!r:.60}"
            )
        yield name, place[0], place[1]


def scan_shard(path: str) -> Iterator[tuple[str, int, int]]:
    """Name, first byte and size of every file in a tar file; folders and links are passed over.

    Raises:
        FileNotFoundError: it does not exist.
        OSError: it is no plain tar file.
    """
    with _open(path) as file:
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                for member in tar:
                    if member.isreg():
                        yield member.name.removeprefix("./"), member.offset_data, member.size
        except tarfile.TarError as error:
            raise OSError(
                f"shard {path} is no plain tar file ({error}); compressed ones cannot be read in any order"
            ) from error


@lru_cache(maxsize=64)
def open_shards(pattern: str) -> Shards:
    """The shards of a pattern, looked through once in a process; see :class:`Shards`."""
    return Shards(shard_paths(pattern))


class ShardBackend(BaseStorageBackend):
    """Members of shards by their addresses, see this module; for mmengine."""

    def get(self, filepath: str) -> bytes:
        """The content of a member.

        Raises:
            FileNotFoundError: there is no such shard or member.
            OSError: a shard is damaged.
            ValueError: the address names no shards, or no member.
        """
        shards, name = _parts(filepath)
        return open_shards(shards).read(name)

    def get_text(self, filepath: str, encoding: str = "utf-8") -> str:
        """The content of a member as text."""
        return self.get(filepath).decode(encoding)

    def exists(self, filepath: str) -> bool:
        """Whether there is such a member; raises as :meth:`get` does for shards."""
        shards, name = _parts(filepath)
        return name in open_shards(shards)


def _parts(address: str) -> tuple[str, str]:
    """Pattern of the shards and name of the member."""
    text = str(address).replace("\\", "/")
    inner = text.removeprefix("tar://") if text.startswith("tar://") else text.removeprefix("tar+")
    pieces = _SPLIT.split(inner, maxsplit=1)
    if len(pieces) != 2 or not pieces[1]:
        raise ValueError(f"{address}: expected tar://SHARDS.tar/NAME, such as tar://train-{{000..117}}.tar/image.jpg")
    return pieces[0], pieces[1]


def below(root: str, name: str) -> str:
    """Where a file or folder of a config lies: below a root, unless it is an address of its own; shards are, too.

    >>> below("data/coco", "tar://train-*.tar"), below("s3://bucket", "tar://a.tar"), below("data", "s3://bucket/a")
    ('tar://data/coco/train-*.tar', 'tar+s3://bucket/a.tar', 's3://bucket/a')
    """
    if not name.startswith("tar://"):
        return name if "://" in name else os.path.join(root, name)
    inner = below(root, name.removeprefix("tar://"))
    return f"tar+{inner}" if "://" in inner else f"tar://{inner}"


def register_shards() -> None:
    """Let mmengine read these addresses."""
    register_backend("shards", ShardBackend, prefixes=["tar", *(f"tar+{name}" for name in PROTOCOLS)], force=True)
