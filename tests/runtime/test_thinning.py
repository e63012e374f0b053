import numpy as np
import pytest

from aemm.engine import Thinning
from aemm.records import Instances
from aemm.runtime import thin
from aemm.skeletons import build_skeleton


class _OfPoses:
    skeleton = build_skeleton("coco")


def _people(seed: int, count: int = 12) -> Instances:
    """People of whom every third is another one, found once more."""
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(0, 100, (count, 17, 2)).astype(np.float32)
    keypoints[::3] = keypoints[1::3] + rng.normal(0, 0.5, keypoints[::3].shape)
    keypoint_scores = np.where(rng.random((count, 17)) < 0.8, rng.random((count, 17)), 0).astype(np.float32)
    return Instances("a", (100, 100), keypoint_scores.mean(1) / 2, keypoints=keypoints, keypoint_scores=keypoint_scores)


@pytest.mark.parametrize("nms", ["hard", "soft", "off"])
@pytest.mark.parametrize("min_score", [0.0, 0.2])
def test_what_stays_is_what_predict_keeps(nms, min_score):
    for seed in range(3):
        found = _people(seed)
        expected = found
        for step in Thinning(nms=nms, min_score=min_score).steps(_OfPoses):
            expected = step(expected, None)
        kept = thin(found, _OfPoses.skeleton, nms, min_score)
        np.testing.assert_array_equal(kept.keypoints, expected.keypoints)
        np.testing.assert_array_equal(kept.scores, expected.scores)
    assert (len(kept) < len(found)) == (nms == "hard" or min_score > 0)


def test_masks_are_sorted_and_the_faint_leave():
    mask = {"size": [4, 4], "counts": "0"}
    found = Instances("a", (4, 4), np.array([0.05, 0.3, 0.6], np.float32), masks=[mask] * 3, labels=np.arange(3))
    assert thin(found, None).labels.tolist() == [2, 1]
    with pytest.raises(ValueError, match="nms must be one of 'hard', 'soft', 'off', got 'all'"):
        thin(found, None, "all")
