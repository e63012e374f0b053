import itertools
import zlib

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from aemm.ops.assignment import assign
from aemm.ops.grouping import group_by_tags
from aemm.records import GroupingRules


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 3), (4, 7), (12, 12), (5, 30)])
def test_the_cheapest_assignment_is_found(rows, columns):
    rng = np.random.default_rng(rows)
    for _ in range(30):
        cost = rng.uniform(-100, 100, (rows, columns))
        np.testing.assert_array_equal(assign(cost), linear_sum_assignment(cost)[1])


def test_with_ties_it_is_still_a_cheapest_one():
    rng = np.random.default_rng(0)
    for _ in range(50):
        cost = rng.integers(0, 3, (4, 5)) * 100 - rng.uniform(0, 1, (4, 1))
        columns = assign(cost)
        assert len(set(columns)) == 4
        least = min(cost[np.arange(4), list(p)].sum() for p in itertools.permutations(range(5), 4))
        assert cost[np.arange(4), columns].sum() == pytest.approx(least)


def test_the_first_of_equally_cheap_columns_is_taken_in_the_order_of_rows():
    assert assign(np.zeros((3, 4))).tolist() == [0, 1, 2]
    # the last row has to have column 0; the first, which had it, goes on to the first free one
    assert assign(np.array([[0.0, 0, 5], [5, 5, 0], [0, 9, 9]])).tolist() == [1, 2, 0]


CHOSEN_BY_MUNKRES = 2100724668  # checksum of the columns that munkres 3.0.0 gives for `with_ties`, in Python


def with_ties(count=400):
    """Matrices in which many solutions cost the same, as rounded distances of tags make them."""
    rng = np.random.default_rng(0)
    for i in range(count):
        rows = int(rng.integers(1, 9))
        cost = rng.integers(0, 3, (rows, rows + int(rng.integers(0, 5)))) * 100.0
        yield cost - rng.uniform(0, 1, (rows, 1)) if i % 2 else cost


def test_of_equal_solutions_it_chooses_as_munkres_300_did():
    chosen = b"".join(assign(cost).astype(np.uint8).tobytes() for cost in with_ties())
    assert zlib.crc32(chosen) == CHOSEN_BY_MUNKRES


def test_of_equal_solutions_it_chooses_as_munkres_does(monkeypatch):
    monkeypatch.setenv("PALDITA_NO_NATIVE", "1")  # read when it is imported: its solver in Python
    munkres = pytest.importorskip("munkres", reason="munkres 3.0.0 is not installed")
    if munkres.__version__ != "3.0.0":
        pytest.skip(f"munkres {munkres.__version__} is installed, the reference is 3.0.0")
    for cost in with_ties():
        assert list(enumerate(assign(cost))) == munkres.Munkres().compute(cost.tolist())


def test_no_rows_need_no_columns():
    assert assign(np.zeros((0, 3))).tolist() == []


# keypoint 1 has three peaks that start instances, two of them with equal tags
SCORES = np.array([[0.9, 0.0, 0.0], [0.8, 0.7, 0.6]])
TAGS = np.array([[[0.0], [0], [0]], [[5.0], [9], [5]]])


def test_equal_tags_stay_apart():
    assert group_by_tags(SCORES, TAGS, GroupingRules([0, 1])).tolist() == [[0, -1], [-1, 0], [-1, 1], [-1, 2]]


def test_equal_tags_overwrite_each_other_where_the_originals_are_copied():
    pick = group_by_tags(SCORES, TAGS, GroupingRules([0, 1], equal_tags="overwrite"))
    assert pick.tolist() == [[0, -1], [-1, 2], [-1, 1]]


def test_overwriting_reaches_back_to_earlier_keypoints_and_forgets_their_tags():
    scores = np.array([[0.9], [0.8], [0.7]])
    tags = np.array([[[0.0, 0.0]], [[0.0, 40.0]], [[0.0, 40.2]]])
    # the second peak is too far to be matched, but its first dimension is that of the first
    assert group_by_tags(scores, tags, GroupingRules([0, 1, 2], equal_tags="overwrite")).tolist() == [[0, 0, 0]]
    assert group_by_tags(scores, tags, GroupingRules([0, 1, 2])).tolist() == [[0, -1, -1], [-1, 0, 0]]
