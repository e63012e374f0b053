"""Figures of runs: they are those of the evaluation itself, split as they say."""

from dataclasses import replace

import numpy as np
import pytest

from aemm.evaluation import CocoInstanceMetric, CocoMetric, CrowdPoseMetric, MpiiMetric, VocInstanceMetric
from aemm.records import Instances, Truth
from aemm.reports import choose_measure, compute_figures
from aemm.reports.examples import choose_examples
from aemm.reports.figures import image_overlap, overlap_groups, people_groups, size_ranges
from aemm.reports.measures import CocoMeasure, GroupMeasure
from tests.pairs import measured
from tests.reports.runs import SIZE, found_like, mask_run, moved, mpii_run, people, pose_run


@pytest.mark.parametrize(
    ("run", "metric", "name"),
    [
        (pose_run(shift=4.0), CocoMetric(), "coco/AP"),
        (pose_run(shift=4.0, crowd_index=0.5), CrowdPoseMetric(), "crowdpose/AP"),
        (mpii_run(), MpiiMetric(), "mpii/mAP"),
        (mask_run(), CocoInstanceMetric(), "segm/AP"),
    ],
    ids=["coco", "crowdpose", "mpii", "masks"],
)
def test_ap_is_that_of_the_metric(run, metric, name):
    expected = measured(metric, run.measure.info, run.pairs)[name]
    figures = compute_figures(run.pairs, choose_measure([metric], run.measure.info))
    assert 0 < expected < 1 or name == "mpii/mAP"
    assert figures.ap == pytest.approx(expected)
    assert max(max(curve.y) for curve in figures.precision_recall) <= 1
    assert figures.by_threshold.y[0] >= figures.by_threshold.y[-1] or name == "mpii/mAP"
    assert sum(row.count for row in figures.by_people) == len(run.pairs)


def test_a_part_is_measured_as_it_would_be_alone():
    run = pose_run(shift=0.0)
    pairs = [(truth, moved(found, (len(truth) ** 2, 0))) for truth, found in run.pairs]
    figures = compute_figures(pairs, run.measure)
    for row in figures.by_people:
        alone = [pair for pair in pairs if len(pair[0]) == int(row.name)]
        assert row.count == len(alone)
        assert row.ap == pytest.approx(run.measure.ap(alone))
    assert figures.by_people[0].ap > figures.by_people[-1].ap


def test_a_metric_chooses_its_measure():
    info = pose_run().measure.info
    assert choose_measure([MpiiMetric(threshold=0.7)], info) == GroupMeasure(info, 0.7)
    assert choose_measure([MpiiMetric(single_person=True)], info) == CocoMeasure(info)
    assert choose_measure([CocoMetric(sigmas=[0.1] * 17)], info) == CocoMeasure(info, sigmas=(0.1,) * 17)
    assert choose_measure([VocInstanceMetric()], info) == CocoMeasure(info)
    assert choose_measure([], info) == CocoMeasure(info)


@pytest.mark.parametrize("run", [pose_run(), mpii_run(), mask_run()], ids=["pose", "mpii", "masks"])
def test_nothing_found_is_nothing_won(run):
    pairs = [(truth, found[np.zeros(0, int)]) for truth, found in run.pairs]
    figures = compute_figures(pairs, run.measure)
    assert figures.ap == 0
    assert (figures.quality == 0).all()
    assert figures.tide["Miss"] > 0
    assert figures.errors is None or figures.errors.counts[:, -1].all()


def test_withheld_labels_and_no_image_are_refused():
    with pytest.raises(ValueError, match="withheld"):
        compute_figures([(Truth(1, SIZE), Instances(1, SIZE, np.zeros(0)))], pose_run().measure)
    with pytest.raises(ValueError, match="no image"):
        compute_figures([], pose_run().measure)


def test_people_without_area_are_measured_by_their_box():
    run = pose_run()
    without = [(replace(truth, area=None), found) for truth, found in run.pairs]
    assert compute_figures(without, run.measure).ap == pytest.approx(compute_figures(run.pairs, run.measure).ap)


def test_overlap_is_that_of_the_boxes():
    assert np.isnan(image_overlap(people(1, 1)))
    assert image_overlap(people(1, 2)) == 0
    close = people(1, 2)
    close.boxes = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10]])
    assert image_overlap(close) == pytest.approx(1 / 3)
    assert overlap_groups([0.0, 0.05, 0.1, 0.2, 0.9, float("nan")]) == {
        "none": [0],
        "IoU up to 0.1": [1, 2],
        "IoU up to 0.3": [3],
        "IoU above 0.3": [4],
    }


def test_many_people_share_a_row():
    assert people_groups(np.array([0, 1, 7, 5, 1])) == {"1": [1, 4], "5 or more": [2, 3]}


def test_sizes_that_are_all_equal_make_two_ranges_at_most():
    assert len(size_ranges(np.full(9, 20.0))) == 2
    assert size_ranges(np.zeros(0)) == {}


def test_images_are_shown_once_and_the_worst_are_among_them():
    quality = np.array([[0.9], [0.1], [0.5], [0.2]])
    examples = choose_examples(quality, np.array([1, 2, 3, 9]), 2)
    assert len({example.place for example in examples}) == len(examples)
    groups = {example.place: example.groups for example in examples}
    assert "worst" in groups[1]
    assert {"worst", "most crowded"} <= set(groups[3])


def test_two_runs_show_first_where_they_differ_most():
    quality = np.array([[0.9, 0.9], [0.1, 0.2], [0.9, 0.1], [0.5, 0.8]])
    examples = choose_examples(quality, np.ones(4, int), 3)
    assert [example.place for example in examples[:2]] == [2, 3]
    assert "largest difference" in examples[0].groups


def test_a_truth_found_twice_is_a_duplicate():
    truth = people(1, 1)
    twice = found_like(truth)[np.array([0, 0])]
    figures = compute_figures([(truth, twice)], pose_run().measure)
    assert figures.tide_counts["Dupe"] == 1
