"""How a process that loads images gets its memory.

The allocator of Linux hands every large array back to the system when it is freed, and the next one is paid for page by
page: for images of a megabyte that costs as much time as all transforms together.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import partial

from torch.utils.data import DataLoader

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of mallopt's parameters in malloc.h
_KEPT = 256 * 2**20  # bytes that may lie free; an image of 24 megapixels takes 72
_LARGEST = 32 * 2**20  # bytes of an array that is still kept; glibc allows no more


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, up to 256 MB, for the next image; whether its allocator can do so."""
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return bool(mallopt and mallopt(_MMAP_THRESHOLD, _LARGEST) and mallopt(_TRIM_THRESHOLD, _KEPT))


def keep_memory_of(loader: DataLoader) -> None:
    """Let the processes that load do so: the workers of a loader, or this one where it has none."""
    if loader.num_workers:
        loader.worker_init_fn = partial(_start_worker, loader.worker_init_fn)
    else:
        keep_freed_memory()


def _start_worker(first: Callable[[int], None] | None, worker: int) -> None:
    keep_freed_memory()
    if first is not None:
        first(worker)
