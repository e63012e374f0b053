import numpy as np
import pytest
import torch

from aemm.datasets import collate
from aemm.datasets.transforms import OpenVinoResize
from aemm.models.decoders import OpenVinoGrouping
from aemm.structures import Batch, Maps, Sample
from tests.golden import meta_of


def _toy(keypoints=17, **options):
    names = [f"k{i}" for i in range(keypoints)]
    skeleton = dict(keypoints=names, sigmas=[0.1] * keypoints, flip_index=range(keypoints))
    return OpenVinoGrouping(**{"skeleton": skeleton, "pose_threshold": 0.1, **options})


def _batch(size):
    return Batch([torch.zeros(1, 3, *size)], ["a"], [size], np.eye(3)[None])


@pytest.mark.golden
def test_openvino_decode_of_maps_gives_the_originals_people(golden):
    file = np.load(golden / "openvino_decode.npz")
    for i, case in enumerate(meta_of(file)["cases"]):
        heat, expected = torch.from_numpy(file[f"c{i}_heatmaps"])[None], file[f"c{i}_people"]
        decoder = _toy(
            case["K"],
            pose_threshold=case["pose_threshold"],
            delta=case["delta"],
            dist_reweight=case["dist_reweight"],
            fill_missing=case["refine"],
            window=None if case["nms"] == "negated" else 5,
        )
        tags = torch.from_numpy(file[f"c{i}_tags"]).permute(0, 3, 1, 2)[None]
        (found,) = decoder(Maps(heat, tags), _batch(heat.shape[-2:]))
        present = expected[..., 2] > 0
        assert len(found) == len(expected)
        np.testing.assert_allclose(found.keypoints, np.where(present[..., None], expected[..., :2], 0), atol=1e-4)
        np.testing.assert_allclose(found.keypoint_scores, expected[..., 2], atol=1e-5)
        np.testing.assert_allclose(found.scores, file[f"c{i}_scores"], atol=1e-5)


@pytest.mark.golden
def test_openvino_decode_goes_from_image_to_image_as_the_original(golden):
    file = np.load(golden / "openvino_decode.npz")
    for i, case in enumerate(meta_of(file)["image_cases"]):
        image = file[f"i{i}_image"]
        step = OpenVinoResize(case["target_size"], case["divisor"], case["padding_mode"], case["aspect_ratio"])
        batch = collate([step(Sample(image, i, image.shape[:2]))])
        level = batch.images[0].numpy().astype(int) - file[f"i{i}_input"]
        assert np.abs(level).max() <= 1
        tags = torch.from_numpy(file[f"i{i}_tags"]).permute(0, 3, 1, 2)[None]
        maps = Maps(torch.from_numpy(file[f"i{i}_heatmaps"])[None], tags)
        (found,) = _toy(maps.heatmaps.shape[1], delta=case["delta"])(maps, batch)
        expected = file[f"i{i}_people"]
        present = expected[..., 2] > 0
        assert len(found) == len(expected)
        np.testing.assert_allclose(found.keypoints, np.where(present[..., None], expected[..., :2], 0), atol=1e-3)
        np.testing.assert_allclose(found.keypoint_scores, expected[..., 2], atol=1e-5)
        np.testing.assert_allclose(found.scores, file[f"i{i}_scores"], atol=1e-5)


def test_maps_are_left_as_they_are_and_halves_are_decoded():
    heat = -torch.rand(1, 3, 16, 16)
    heat[:, :, 5, 6] = 0.9
    before = heat.clone()
    (found,) = _toy(3, window=None)(Maps(heat.half(), torch.zeros(1, 3, 1, 16, 16).half()), _batch((16, 16)))
    assert torch.equal(heat, before)
    assert len(found) == 1


def test_maps_of_another_skeleton_are_refused():
    with pytest.raises(ValueError, match="heatmaps must have 3 channels"):
        _toy(3)(Maps(torch.zeros(1, 4, 8, 8), torch.zeros(1, 4, 1, 8, 8)), _batch((8, 8)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 4}, "window must be an odd number of cells, or None, got 4"),
        ({"grouping_order": [0, 0, 1]}, "grouping_order must hold each of the 3 keypoints"),
        ({"filled_tags": "x"}, "filled_tags must be one of"),
    ],
)
def test_arguments_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        _toy(3, **options)


def test_a_resize_of_nothing_is_refused():
    with pytest.raises(ValueError, match="size, divisor and aspect must be positive, got 0, 32 and None"):
        OpenVinoResize(0)
