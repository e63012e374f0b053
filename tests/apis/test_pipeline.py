import itertools
import threading
import time

import pytest

from aemm.apis.pipeline import Behind, Pipeline, gather_alike, put_in_order


@pytest.mark.parametrize("overlap", [True, False])
def test_things_keep_their_order_whoever_works_longer(overlap):
    def work(n):
        time.sleep(0.01 * (n % 3))
        return n * n

    with Pipeline(overlap) as steps:
        seen = steps.in_order(work, steps.ahead(range(20), 2), workers=3)
        assert list(steps.ahead(seen, 1)) == [n * n for n in range(20)]


def test_steps_overlap():
    together, most = threading.Semaphore(0), []

    def first():
        for n in range(4):
            together.release()
            yield n

    with Pipeline() as steps:
        for n in steps.ahead(first(), 2):
            if n == 0:  # the thread goes on while the first thing is looked at
                most.append(all(together.acquire(timeout=5) for _ in range(3)))
    assert most == [True]


def test_no_more_is_made_than_has_room():
    made = []

    def endless():
        for n in itertools.count():
            made.append(n)
            yield n

    with Pipeline() as steps:
        things = steps.ahead(steps.ahead(endless(), 3), 2)
        assert next(things) == 0
        time.sleep(0.3)
        assert len(made) <= 1 + 3 + 2 + 2  # taken, waiting, and one in the hand of each thread


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_comes_in_the_place_of_its_thing(error):
    def work(n):
        if n == 5:
            raise error("the fifth")
        return n

    taken = []
    with pytest.raises(error), Pipeline() as steps:  # noqa: PT012 - what came before it counts
        for n in steps.ahead(steps.in_order(work, steps.ahead(range(9), 1), workers=3), 1):
            taken.append(n)
    assert taken == [0, 1, 2, 3, 4]


def test_whoever_leaves_early_leaves_no_thread_and_no_open_generator():
    closed, before = [], threading.active_count()

    def endless():
        try:
            yield from itertools.count()
        finally:
            closed.append(1)

    with Pipeline() as steps:
        things = steps.ahead(steps.in_order(abs, steps.ahead(endless(), 2), 2), 1)
        assert [next(things) for _ in range(3)] == [0, 1, 2]
    assert closed == [1]
    things.close()
    assert threading.active_count() == before


def test_a_step_that_waits_for_ever_is_not_waited_for():
    never = threading.Event()

    def waiting():
        yield 1
        never.wait(60)
        yield 2

    with Pipeline() as steps:
        assert next(steps.ahead(steps.ahead(waiting(), 1), 1)) == 1
        start = time.monotonic()
    assert time.monotonic() - start < 10
    never.set()


def test_groups_are_alike_and_nothing_waits_for_long():
    words = ["a1", "b1", "a2", "c1", "b2", "a3", "a4", "b3"]
    groups = list(gather_alike(words, lambda word: word[0], 2, 10))
    assert groups == [["a1", "a2"], ["b1", "b2"], ["a3", "a4"], ["c1"], ["b3"]]
    groups = list(gather_alike("abcdefaf", str, 2, 3))
    assert groups == [["a"], ["b"], ["c"], ["d"], ["f", "f"], ["e"], ["a"]]


def test_what_waits_for_its_like_comes_before_an_error():
    def broken():
        yield from "ab"
        raise OSError("gone")

    groups = gather_alike(broken(), str, 4, 16)
    assert [next(groups), next(groups)] == [["a"], ["b"]]
    with pytest.raises(OSError, match="gone"):
        next(groups)


def test_things_are_put_in_order_as_soon_as_it_is_their_turn():
    def shuffled():
        for n in (1, 0, 4, 2, 3):
            seen.append(n)
            yield n

    seen: list[int] = []
    things = put_in_order(shuffled(), int)
    assert [next(things), next(things)] == [0, 1]
    assert seen == [1, 0]
    assert list(things) == [2, 3, 4]


@pytest.mark.parametrize("overlap", [True, False])
def test_calls_behind_are_all_made_in_order(overlap):
    made = []

    def slow(n, word):
        time.sleep(0.005)
        made.append((n, word))

    call = Behind(slow, 2, overlap)
    for n in range(10):
        call(n, "x")
    call.close()
    assert made == [(n, "x") for n in range(10)]


def test_the_error_of_a_call_is_told_once_and_nothing_hangs():
    def broken(n):
        raise OSError("disk full")

    call = Behind(broken, 1)
    with pytest.raises(OSError, match="disk full"):  # noqa: PT012 - at some call, or at the end
        for n in range(10):
            call(n)
            time.sleep(0.01)
    call.close()
