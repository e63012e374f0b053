"""Kinds of errors of keypoints: each is recognised, and what they cost adds up."""

from dataclasses import replace

import numpy as np
import pytest

from aemm.records import Instances
from aemm.reports.errors import KINDS, keypoint_errors, sort_errors
from aemm.reports.figures import compute_figures
from aemm.skeletons import SKELETONS
from tests.reports.runs import SIZE, found_like, mpii_run, people, pose_run

COCO = SKELETONS["coco"]
LEFT, RIGHT = COCO.keypoints.index("left_wrist"), COCO.keypoints.index("right_wrist")
UNITS = np.full((2, 17), 4.0)


def sorted_kinds(change):
    """Kinds of the left wrist of the first of two people after a change of the true pose."""
    truth = people(1, 2)
    truth.keypoints[:, LEFT], truth.keypoints[:, RIGHT] = [[10, 50], [60, 50]], [[10, 80], [60, 80]]
    found = found_like(truth)
    points, scores = found.keypoints, found.keypoint_scores
    change(points, scores)
    kinds = sort_errors((truth, replace(found, keypoints=points, keypoint_scores=scores)), COCO, UNITS).kinds
    assert (np.delete(kinds[0], LEFT) == -1).all()
    assert (kinds[1] == -1).all()
    return kinds[0, LEFT]


def test_every_kind_is_recognised():
    def put(x, y):
        return lambda points, scores: points.__setitem__((0, LEFT), (x, y))

    assert sorted_kinds(put(11, 50)) == -1
    assert KINDS[sorted_kinds(put(14, 50))] == "jitter"
    assert KINDS[sorted_kinds(put(10, 80))] == "inversion"
    assert KINDS[sorted_kinds(put(60, 50))] == "swap"
    assert KINDS[sorted_kinds(put(60, 80))] == "swap"
    assert KINDS[sorted_kinds(put(100, 20))] == "miss"
    assert KINDS[sorted_kinds(lambda points, scores: scores.__setitem__((0, LEFT), 0))] == "miss"


def test_what_is_not_annotated_is_no_error():
    truth = people(1, 1)
    truth.visible[0, LEFT] = 0
    found = found_like(people(1, 1))
    found.keypoints[0, LEFT] += 100
    kinds = sort_errors((truth, found), COCO, UNITS[:1]).kinds
    assert (kinds == -1).all()


def faulty_run():
    """Two people in each image: jitter, an exchange of wrists, somebody invented, somebody missed."""
    run = pose_run(shift=0.0)
    pairs = []
    for n, (truth, found) in enumerate(run.pairs):
        points = found.keypoints.copy()
        points[:, 11:] += np.array([5.2, 0])
        points[:, [LEFT, RIGHT]] = points[:, [RIGHT, LEFT]]
        invented = Instances(truth.image_id, SIZE, np.array([0.95]), None, points[:1] + 200, np.ones((1, 17)))
        kept = points[: max(1, len(points) - n % 2)]
        pairs.append(
            (
                truth,
                Instances(
                    truth.image_id,
                    SIZE,
                    np.concatenate([invented.scores, found.scores[: len(kept)]]),
                    keypoints=np.concatenate([invented.keypoints, kept]),
                    keypoint_scores=np.ones((1 + len(kept), 17)),
                ),
            )
        )
    return run, pairs


def test_all_kinds_together_are_all_that_is_lost():
    run, pairs = faulty_run()
    figures = compute_figures(pairs, run.measure)
    lost = figures.errors.lost
    assert figures.ap < 0.9
    assert lost.sum() == pytest.approx(1 - figures.ap)
    assert figures.errors.shares.sum() == pytest.approx(1)
    by_kind = dict(zip(KINDS, lost.sum(0), strict=True))
    assert by_kind["swap"] == 0
    for kind in ("jitter", "inversion", "false positive", "missed person"):
        assert by_kind[kind] > 0, kind
    counts = dict(zip(COCO.keypoints, figures.errors.counts.tolist(), strict=True))
    assert counts["left_hip"][KINDS.index("jitter")] > 0
    assert sum(counts["nose"][: KINDS.index("false positive")]) == 0


def test_a_perfect_run_has_lost_nothing():
    run = pose_run(shift=0.0)
    errors = keypoint_errors(run.measure.prepare(run.pairs), COCO, run.measure.units, run.measure.ap)
    assert not errors.counts.any()
    assert not errors.lost.any()
    assert not errors.shares.any()


def test_groups_lose_by_the_measure_of_groups():
    run = mpii_run()
    pairs = [(truth, replace(found, keypoints=found.keypoints + np.array([9.0, 0]))) for truth, found in run.pairs]
    figures = compute_figures(pairs, run.measure)
    assert figures.ap < 0.5
    assert figures.errors.lost.sum() == pytest.approx(1 - figures.ap)
    assert figures.errors.lost[:, 0].sum() > 0.5 * figures.errors.lost.sum()
