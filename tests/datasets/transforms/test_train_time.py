"""Training samples through data set, transforms and preprocessor are those of the originals, given the same draws."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine import Config

from aemm import geometry
from aemm.datasets import CocoPoseDataset, collate
from aemm.datasets.transforms import AffineDraw, ColorDraw, ColorJitter, RandomAffine, RandomFlip
from aemm.registry import MODELS
from aemm.skeletons import SKELETONS

BASE = Path(__file__).resolve().parents[3] / "configs/_base_"
NORMALIZED = dict(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
MASK_CELLS = 6  # cells of a mask that may differ, since places are rounded to 1/32 pixel


def _pipeline(case):
    """The recipe's transforms at the size of the case."""
    if case["key"].startswith("newell"):
        return Config.fromfile(BASE / "protocols/newell.py").train_pipeline
    pipeline = Config.fromfile(BASE / "protocols/higherhrnet.py").train_pipeline
    pipeline[0].update(size=128, fit=case["scale_type"])
    pipeline[-1].update(Config.fromfile(BASE / "models/higherhrnet_ae.py").map_strides)
    return pipeline


def _annotations(file, i):
    """The annotations of image ``i`` as its file lists them."""
    silent = iter(range(sum(name.startswith(f"image{i}_silent_polygon") for name in file.files)))
    polygons = [file[f"image{i}_silent_polygon{q}"].ravel().tolist() for q in silent]
    rows = []
    for n, keypoints in enumerate(file[f"image{i}_keypoints"]):
        crowd, count = (int(file[f"image{i}_{name}"][n]) for name in ("iscrowd", "num_keypoints"))
        box = file[f"image{i}_bbox"][n].tolist()
        segmentation = polygons if not count else [[0, 0, 0, 1, 1, 1]]
        if crowd:
            counts, size = (file[f"image{i}_crowd_rle_{name}"].tolist() for name in ("counts", "size"))
            segmentation = dict(counts=counts, size=size)
        rows.append(
            dict(
                id=100 * i + n + 1,
                image_id=i,
                category_id=1,
                iscrowd=crowd,
                num_keypoints=count,
                keypoints=keypoints.ravel().tolist(),
                bbox=box,
                area=max(box[2] * box[3], 1),
                segmentation=segmentation,
            )
        )
    return rows


@pytest.fixture(scope="module")
def golden_file(golden):
    return np.load(golden / "train_time.npz")


@pytest.fixture(scope="module")
def cases(golden_file):
    found = json.loads(golden_file["cases"].item())
    assert {case["key"].rstrip("0123456789") for case in found} == {"higher", "newell"}
    return found


@pytest.fixture(scope="module")
def data_root(golden_file, tmp_path_factory):
    """The images and annotations as a data set on disk."""
    root, images, annotations = tmp_path_factory.mktemp("train_time"), [], []
    for i in range(sum(name.endswith("_iscrowd") for name in golden_file.files)):
        image = golden_file[f"image{i}"]
        cv2.imwrite(str(root / f"{i}.png"), image[..., ::-1])
        images.append(dict(id=i, file_name=f"{i}.png", height=image.shape[0], width=image.shape[1]))
        annotations += _annotations(golden_file, i)
    category = dict(id=1, name="person", keypoints=SKELETONS["coco"].keypoints)
    (root / "people.json").write_text(
        json.dumps(dict(images=images, annotations=annotations, categories=[category]), default=list)
    )
    return root


def _dataset(case, root):
    """The data set of a recipe that draws what the case records."""
    newell = case["key"].startswith("newell")
    dataset = CocoPoseDataset(
        "people.json", "", str(root), pipeline=_pipeline(case), ignore=("crowd",) if newell else ("crowd", "unlabelled")
    )
    drawn = {
        RandomAffine: AffineDraw(case["scale"], case["rotation"], (case["dx"], case["dy"])),
        RandomFlip: case["flip"],
    }
    if newell:
        drawn[ColorJitter] = ColorDraw(*(case[name] for name in ColorDraw._fields))
    for step in dataset.pipeline:
        if type(step) in drawn:
            value = drawn.pop(type(step))
            step.draw = lambda *_, value=value: value
    assert not drawn
    return dataset


@pytest.fixture(scope="module")
def samples(cases, data_root):
    """Every case and its transformed sample."""
    return [(case, _dataset(case, data_root)[case["image"]]) for case in cases]


def _grey_levels(image, expected):
    return np.abs(image.astype(float) - expected.astype(float)).max()


@pytest.mark.golden
def test_train_time_images_are_the_originals(golden_file, samples):
    """Ours are resampled in the fixed-point places of OpenCV 4 with every version."""
    for case, sample in samples:
        key = case["key"]
        if key.startswith("higher"):
            assert _grey_levels(sample.image, golden_file[f"{key}_image"]) <= 1, key
        else:
            for part, name in ((np.s_[3::8, 5::8], "input_s8"), (np.s_[224:288, 224:288], "input_crop")):
                assert _grey_levels(sample.image[part], 255 * golden_file[f"{key}_{name}"]) <= 1, (key, name)
            mean = sample.image.mean((0, 1)) / 255
            np.testing.assert_allclose(mean, golden_file[f"{key}_input_mean"], atol=0.2 / 255, err_msg=key)


@pytest.mark.golden
def test_train_time_inputs_of_the_network_are_the_originals(golden_file, samples):
    newell, higher = MODELS.build(dict(type="Preprocessor")), MODELS.build(dict(type="Preprocessor", **NORMALIZED))
    for case, sample in samples:
        key, batch = case["key"], collate([sample])
        if f"{key}_input" in golden_file:
            (found,) = higher(batch, True)["batch"].images[0].numpy()
            gap = np.abs(found - golden_file[f"{key}_input"]).max((1, 2))
            assert (gap <= 1.001 / np.array(NORMALIZED["std"])).all(), key
        elif key.startswith("newell"):
            (found,) = newell(batch, True)["batch"].images[0].numpy()
            expected = golden_file[f"{key}_input_s8"].transpose(2, 0, 1)
            assert np.abs(found[:, 3::8, 5::8] - expected).max() <= 1.001 / 255, key


@pytest.mark.golden
def test_train_time_keypoints_are_the_originals(golden_file, samples):
    for case, sample in samples:
        for side in (target.size[0] for target in sample.targets):
            expected = golden_file[f"{case['key']}_joints{side}"]
            expected = expected[(expected[..., 2] > 0).any(1)]  # silent people have no keypoints here
            mirrored = geometry.is_mirrored(sample.warp)
            cells = geometry.to_map(
                sample.keypoints.astype(float), sample.image.shape[:2], (side, side), sample.convention, mirrored
            )
            valid = expected[..., 2] > 0
            np.testing.assert_array_equal(sample.visible, expected[..., 2])
            np.testing.assert_allclose(cells[valid], expected[valid][:, :2], atol=1e-4)


@pytest.mark.golden
def test_train_time_heatmaps_are_the_originals(golden_file, samples):
    for case, sample in samples:
        for target in sample.targets:
            side = target.size[0]
            expected = golden_file[f"{case['key']}_heatmaps{side}"]
            np.testing.assert_allclose(target.heatmaps.numpy(), expected, atol=1e-6, err_msg=f"{case['key']} {side}")


@pytest.mark.golden
def test_train_time_masks_are_the_originals(golden_file, samples):
    for case, sample in samples:
        for target in sample.targets:
            side = target.size[0]
            expected = golden_file[f"{case['key']}_mask{side}"]
            differ = int((target.weight.numpy() != expected).sum())
            assert differ <= MASK_CELLS, (case["key"], side, differ)


@pytest.mark.golden
def test_train_time_tag_places_are_the_originals(golden_file, samples):
    for case, sample in samples:
        key, side = case["key"], sample.targets[0].size[0]
        rows = golden_file[f"{key}_places{side}"]
        expected = [set(row[row[:, 1] > 0, 0].tolist()) for row in rows if row[:, 1].any()]
        index = sample.targets[0].tag_index.numpy()
        assert [set(row[row >= 0].tolist()) for row in index] == expected, key
        name = f"{key}_places{side}_shared"
        if name in golden_file:
            shared = [sorted(row[row[:, 1] > 0, 0].tolist()) for row in golden_file[name] if row[:, 1].any()]
            assert [sorted(row[row >= 0] % side**2) for row in index] == shared, key


class Replay:
    """A generator that hands out the recorded draws, each stretched to the bounds asked for."""

    def __init__(self, case):
        draws = case["raw_draws"]
        self.uniforms = iter([value for name, _, value in draws if name.endswith(".random")])
        self.integers_drawn = iter([(*args, value) for _, args, value in draws if len(args) == 2])

    def uniform(self, low, high):
        return low + (high - low) * next(self.uniforms)

    def integers(self, low, high):
        *bounds, value = next(self.integers_drawn)
        assert [low, high] == [int(bound) for bound in bounds]
        return int(value)

    def random(self):
        return next(self.uniforms)


@pytest.mark.golden
def test_train_time_draws_have_the_bounds_and_the_rounding_of_the_originals(golden_file, cases, data_root):
    for case in cases:
        size = golden_file[f"image{case['image']}"].shape[:2]
        pipeline = CocoPoseDataset("people.json", "", str(data_root), pipeline=_pipeline(case)).pipeline
        replay = Replay(case)
        if case["key"].startswith("newell"):  # turns before it scales
            turn, scale, *colors = replay.uniforms
            replay.uniforms = iter([scale, turn, *colors])
        drawn = pipeline[0].draw(replay, size)
        assert drawn.scale == pytest.approx(case["scale"], rel=1e-12)
        assert drawn.degrees == pytest.approx(case["rotation"], rel=1e-12)
        assert drawn.move == (case["dx"], case["dy"])
        if case["key"].startswith("newell"):
            expected = [case[name] for name in ColorDraw._fields]
            np.testing.assert_allclose(pipeline[2].draw(replay), expected, rtol=1e-12)
        else:
            assert pipeline[1].draw(replay) == case["flip"]
