from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config

from aemm.geometry import scaling
from aemm.ops.heatmap import draw_gaussians
from aemm.ops.peaks import read_peaks
from aemm.ops.people import Place, PoseRules, decode_pose
from aemm.ops.subpixel import subpixel
from aemm.records import GroupingRules
from aemm.registry import DECODERS
from aemm.structures import Batch, Maps

CONFIGS = Path(__file__).resolve().parents[2] / "configs/_base_/protocols"


def _maps(seed, keypoints=5, people=7, dims=2, size=(48, 64)):
    """Noisy maps of people, some of whose keypoints are weak."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 1, (people, keypoints, 2)) * (size[1], size[0])
    heat = draw_gaussians(points, rng.random((people, keypoints)) < 0.8, size, 1.5)
    heat = (heat * 0.9 + rng.normal(0, 0.02, heat.shape)).astype(np.float32)
    tags = rng.normal(0, 0.1, (keypoints, dims, *size)).astype(np.float32)
    for n, k in np.ndindex(people, keypoints):
        x, y = points[n, k].astype(int)
        tags[k, :, max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4] = 2.0 * n
    return heat, tags


@pytest.mark.parametrize("config", ["newell", "higherhrnet", "udp", "unbiased"])
def test_people_decoded_without_torch_are_those_of_the_decoder(config):
    settings = Config.fromfile(CONFIGS / f"{config}.py").decoder
    names = [f"k{i}" for i in range(5)]
    settings.skeleton = dict(keypoints=names, sigmas=[0.1] * 5, flip_index=range(5))
    decoder = DECODERS.build(settings)
    for seed in range(4):
        heat, tags = _maps(seed)
        batch = Batch([torch.zeros(1, 3, 96, 128)], ["a"], [(96, 128)], np.eye(3)[None])
        (expected,) = decoder(Maps(torch.from_numpy(heat)[None], torch.from_numpy(tags)[None]), batch)
        rules = decoder.pose_rules
        peaks = read_peaks(heat, tags, rules.max_peaks, rules.threshold, rules.window)
        found = decode_pose(heat, tags, peaks, rules, Place("a", (96, 128), scaling(2)))
        assert len(found) == len(expected) > 3
        np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-4)
        np.testing.assert_array_equal(found.keypoint_scores, expected.keypoint_scores)
        np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.parametrize("kind", ["none", "quarter", "gaussian", "hessian"])
def test_arrays_and_tensors_are_read_alike_between_cells(kind):
    heat, _ = _maps(3)
    rng = np.random.default_rng(0)
    cells = np.stack([rng.integers(0, 64, (40, 5)), rng.integers(0, 48, (40, 5))], -1)
    cells[:4, :, 0], cells[4:8, :, 0] = 0, 63
    cells[2:6, :, 1], cells[8:12, :, 1] = 0, 47
    of_tensors = subpixel(torch.from_numpy(heat), torch.from_numpy(cells), kind).numpy()
    of_arrays = subpixel(heat, cells, kind)
    assert of_arrays.dtype == np.float32
    np.testing.assert_allclose(of_arrays, of_tensors, atol=1e-4, rtol=1e-4)


def test_rules_refuse_what_is_out_of_range():
    with pytest.raises(ValueError, match="max_instances must be at least 1, got 0"):
        PoseRules(GroupingRules((0,)), max_instances=0)
    with pytest.raises(ValueError, match="padding must be one of 'keep', 'clear', got 'cut'"):
        PoseRules(GroupingRules((0,)), padding="cut")
