"""Instances for the library supervision."""

import importlib.util
import sys

import numpy as np
import pytest

from aemm.ops.masks import encode_masks
from aemm.records import Instances

needed = pytest.mark.skipif(
    importlib.util.find_spec("supervision") is None, reason='supervision is absent: pip install "aemm[supervision]"'
)


def people(count, **fields):
    points = np.arange(count * 6.0).reshape(count, 3, 2)
    scores = np.tile([0.5, 0.0, 1.0], (count, 1))
    return Instances(1, (30, 40), np.linspace(0.9, 0.5, count), keypoints=points, keypoint_scores=scores, **fields)


def things(count):
    areas = np.zeros((count, 30, 40), bool)
    for n in range(count):
        areas[n, 2 + n : 10 + n, 5 : 20 + n] = True
    return areas, Instances(
        1, (30, 40), np.full(count, 0.7), masks=encode_masks(areas), labels=np.arange(count), track_ids=np.arange(count)
    )


@needed
@pytest.mark.parametrize("count", [0, 2])
def test_poses_become_keypoints(count):
    found = people(count, track_ids=np.arange(count) + 5)
    given = found.to_supervision()
    assert type(given).__name__ == "KeyPoints"
    np.testing.assert_array_equal(given.xy, found.keypoints)
    np.testing.assert_allclose(given.keypoint_confidence, found.keypoint_scores)
    np.testing.assert_allclose(given.detection_confidence, found.scores)
    assert given.visible.tolist() == [[True, False, True]] * count
    assert list(given.data["track_id"]) == list(found.track_ids)


@needed
@pytest.mark.parametrize("count", [0, 3])
def test_masks_become_detections(count):
    areas, found = things(count)
    given = found.to_supervision()
    assert type(given).__name__ == "Detections"
    np.testing.assert_array_equal(given.mask, areas)
    assert given.class_id.tolist() == given.tracker_id.tolist() == list(range(count))
    assert given.xyxy.tolist() == [[5, 2 + n, 19 + n, 9 + n] for n in range(count)]


@needed
def test_instances_of_nothing_are_refused():
    with pytest.raises(ValueError, match="masks and labels are needed"):
        Instances(1, (30, 40), np.ones(1)).to_supervision()


def test_the_extra_is_named_where_the_library_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ImportError, match=r'pip install "aemm\[supervision\]"'):
        people(1).to_supervision()
