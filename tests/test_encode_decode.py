"""What is encoded comes back: decoding exact ground-truth maps is unbiased for every pair that is shipped."""

import contextlib

import numpy as np
import pytest
from pycocotools.coco import COCO

from aemm.structures import Sample
from tools.analysis_tools import decoding_cap as cap


def _read(shared, split):
    with contextlib.redirect_stdout(None):
        return COCO(str(shared / f"data/coco_mini/annotations/person_keypoints_{split}2017.json"))


def _random_sample(keypoints, people=6, height=256, width=320, seed=0):
    """People with random points at least a few cells from each other's."""
    rng = np.random.default_rng(seed)
    spots = np.stack([rng.permutation(8 * 10)[:people] for _ in range(keypoints)], 1)
    corner = np.stack([spots % 10, spots // 10], -1) * 32
    points = corner + rng.uniform(8, 24, (people, keypoints, 2))
    return Sample(
        image=np.zeros((height, width, 3), np.uint8),
        image_id=1,
        image_size=(height, width),
        keypoints=points.astype(np.float32),
        visible=np.full((people, keypoints), 2),
    )


def test_every_decoder_config_is_a_pair():
    assert {path.stem for path in cap.DECODER_CONFIGS.glob("*.py")} >= set(cap.PAIRS)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("fit", ["long", "short"])
@pytest.mark.parametrize("pair", cap.PAIRS)
def test_people_of_real_images_come_back_without_bias(shared, pair, fit, split):
    decoder = cap.build_decoder(pair)
    samples = cap.annotated_samples(_read(shared, split), "coco", 512, fit)
    ways = np.concatenate([cap.decode_truth(sample, 4, pair, decoder)[1] for sample in samples])
    annotated = sum(int((sample.visible > 0).sum()) for sample in samples)
    assert len(ways) > 0.97 * annotated
    assert np.abs(ways.mean(0)).max() < 0.05
    assert np.abs(ways).mean() < (0.01 if pair == "unbiased" else 0.3)


@pytest.mark.parametrize("keypoints", [5, 14, 16, 17, 21])
@pytest.mark.parametrize("pair", cap.PAIRS)
def test_any_number_of_keypoints_comes_back_without_bias(pair, keypoints):
    decoder = cap.build_decoder(pair, dict(keypoints=[f"k{i}" for i in range(keypoints)], sigmas=[0.05] * keypoints))
    ways = []
    for seed in range(8):
        sample = _random_sample(keypoints, seed=seed)
        found, way = cap.decode_truth(sample, 4, pair, decoder)
        assert len(found) == 6
        assert len(way) == 6 * keypoints
        ways.append(way)
    ways = np.concatenate(ways)
    assert np.abs(ways).max() < (0.02 if pair == "unbiased" else 0.51)
    error = np.sqrt(1 / 12 / len(ways))  # of the mean of points spread evenly over a cell
    assert np.abs(ways.mean(0)).max() < max(0.05, 4 * error)


@pytest.mark.parametrize("pair", ["newell", "higherhrnet"])
def test_going_back_on_ties_would_shift_everything_by_a_quarter_cell(pair):
    decoder = cap.build_decoder(pair)
    decoder.tie = "back"
    ways = np.concatenate([cap.decode_truth(_random_sample(17, seed=s), 4, pair, decoder)[1] for s in range(4)])
    np.testing.assert_allclose(ways.mean(0), -0.25, atol=0.05)


def test_the_unbiased_pair_caps_near_one(shared):
    figures = cap.decoding_cap(_read(shared, "train"), "unbiased", fit="short").figures
    assert figures["AP"] >= 0.97
