"""Work on a row of things in steps that overlap: each step has a thread, and their order stays.

Steps are generators that take what the step before gives. Between two of them a few things wait, never more, so that
memory stays as it is however long the row. An error reaches whoever takes the results where its thing would have come.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
_LOOK = 0.2  # s between two looks at whether all is to stop
_PATIENCE = 2.0  # s for all threads to end; one may wait for a camera, or for a name on the standard input


class _End:
    """Nothing more comes, for the reason of ``error`` if there is one."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Pipeline:
    """Steps that overlap, until it is left.

    Args:
        overlap: False does everything in one thread, one after the other.
    """

    def __init__(self, overlap: bool = True) -> None:
        self.overlap = overlap
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Pipeline:
        """Begin."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop all steps, wherever they are."""
        self._stopped.set()
        until = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def ahead(self, items: Iterable[T], size: int) -> Iterator[T]:
        """The same things, made by a thread of their own as soon as the first one is asked for.

        Args:
            items: what makes them.
            size: how many wait for their taker at most.
        """
        if not self.overlap:
            yield from items
            return
        made: queue.Queue[T | _End] = queue.Queue(size)
        thread = threading.Thread(target=self._make, args=(items, made), daemon=True)
        self._threads.append(thread)
        thread.start()
        while not self._stopped.is_set():
            try:
                item = made.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def in_order(self, work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
        """What ``work`` makes of every thing, in their order, though several threads work.

        Args:
            work: on one thing; it must bear being called by several threads at once.
            items: the things.
            workers: number of threads.
        """
        if not self.overlap:
            yield from map(work, items)
            return
        with ThreadPoolExecutor(workers) as pool:
            for future in self.ahead((pool.submit(work, item) for item in items), workers):
                yield future.result()

    def _make(self, items: Iterable[T], made: queue.Queue[T | _End]) -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not self._put(made, item):
                    break
        except BaseException as caught:
            error = caught
        finally:
            if isinstance(items, Generator):
                items.close()
        self._put(made, _End(error))

    def _put(self, made: queue.Queue[T | _End], item: T | _End) -> bool:
        """Whether the thing found a place before all stopped."""
        while not self._stopped.is_set():
            try:
                made.put(item, timeout=_LOOK)
            except queue.Full:
                continue
            return True
        return False


class Behind:
    """Calls of a function, made one after the other by a thread of their own; none is lost.

    Args:
        work: the function.
        size: how many calls wait at most.
        overlap: False does the work at once.
    """

    def __init__(self, work: Callable[..., object], size: int, overlap: bool = True) -> None:
        self._work = work
        self._waiting: queue.Queue[tuple[object, ...] | None] = queue.Queue(size)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True) if overlap else None
        if self._thread is not None:
            self._thread.start()

    def __call__(self, *things: object) -> None:
        """Have the work done with these.

        Raises:
            Exception: that an earlier call met.
        """
        if self._thread is None:
            self._work(*things)
            return
        self._raise()
        self._waiting.put(things)

    def close(self) -> None:
        """Wait until all is done.

        Raises:
            Exception: that a call met.
        """
        if self._thread is not None and self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()
        self._raise()

    def _run(self) -> None:
        while (things := self._waiting.get()) is not None:
            if self._error is None:
                try:
                    self._work(*things)
                except BaseException as error:
                    self._error = error

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error


def gather_alike(items: Iterable[T], kind: Callable[[T], Hashable], size: int, most: int) -> Iterator[list[T]]:
    """Groups of things of one kind, in which they keep their order.

    Args:
        items: the things. If they end with an error, it comes after the groups of those before it.
        kind: of a thing.
        size: of a whole group.
        most: how many things wait for their like; beyond that, the group that was begun first goes as it is.
    """
    groups: dict[Hashable, list[T]] = {}
    fault: Exception | None = None
    try:
        for item in items:
            key = kind(item)
            groups.setdefault(key, []).append(item)
            if len(groups[key]) == size:
                yield groups.pop(key)
            elif sum(map(len, groups.values())) > most:
                yield groups.pop(next(iter(groups)))
    except Exception as error:
        fault = error
    yield from groups.values()
    if fault is not None:
        raise fault


def put_in_order(items: Iterable[T], number: Callable[[T], int]) -> Iterator[T]:
    """Things sorted by their numbers, which count from 0 without a gap; each comes as soon as it is its turn."""
    waiting: dict[int, T] = {}
    turn = 0
    for item in items:
        waiting[number(item)] = item
        while turn in waiting:
            yield waiting.pop(turn)
            turn += 1
