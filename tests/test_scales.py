"""Test-time augmentation from images to AP, with ground-truth maps in place of a network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from aemm.datasets import CocoPoseDataset, collate
from aemm.datasets.transforms import ResizeToFit
from aemm.evaluation import CocoMetric
from aemm.models import TestTimeAugmentation
from aemm.ops.maps import hflip
from aemm.ops.true_maps import true_heatmaps, true_tags
from aemm.registry import DECODERS
from aemm.skeletons import SKELETONS
from aemm.structures import Maps, Sample
from tests.pairs import measured

CONFIGS = Path(__file__).resolve().parents[1] / "configs/_base_"
FLIP = SKELETONS["coco"].flip_index
STRIDE = 4
EVERY = 3  # of the images are looked at


def decoder(name: str = "unbiased"):
    return DECODERS.build(Config.fromfile(CONFIGS / "protocols" / f"{name}.py").to_dict()["decoder"])


def truth(sample: Sample, size: tuple[int, int]) -> Maps:
    heat = true_heatmaps(sample, size, 2.0, "unbiased")
    return Maps(torch.from_numpy(heat)[None], torch.from_numpy(true_tags(sample, size))[None, :, None])


class Oracle:
    """Answers with the true maps of the region that every view shows, mirrored on every second call if asked to."""

    def __init__(self, sample: Sample, flip: bool):
        self.sample, self.flip, self.calls = sample, flip, 0
        self.maps = None

    def __call__(self, image: torch.Tensor) -> Maps:
        self.calls += 1
        if self.flip and self.calls % 2 == 0:
            return hflip(self.maps, FLIP)
        self.maps = truth(self.sample, (image.shape[-2] // STRIDE, image.shape[-1] // STRIDE))
        return self.maps


def find(sample: Sample, resize: ResizeToFit, tta: TestTimeAugmentation):
    resized = resize(sample)
    batch = collate([resized])
    return tta.predict(Oracle(resized, tta.flip), decoder(), batch)[0]


def blank(height: int, width: int) -> Sample:
    # a point exactly between two cells would be two equal peaks
    offset = np.random.default_rng(0).uniform(-8, 8, (17, 2))
    keypoints = np.stack([np.linspace(40, width / 2, 17), np.linspace(30, height - 30, 17)], 1) + offset
    keypoints = np.stack([keypoints, keypoints + np.array([width / 3, 0])]).astype(np.float32)
    image = np.zeros((height, width, 3), np.uint8)
    return Sample(image, "blank", (height, width), keypoints, np.full((2, 17), 2), skeleton=SKELETONS["coco"])


@pytest.mark.parametrize("convention", ["continuous", "udp"])
@pytest.mark.parametrize("fit", ["long", "short"])
@pytest.mark.parametrize("scales", [(1,), (2, 1, 0.5), (2, 0.5), (1.5,), (2, 1.8, 1.3, 1, 0.7)])
def test_any_list_of_scales_finds_people_where_they_are(scales, fit, convention):
    sample = blank(427, 640)
    resize = ResizeToFit(size=512, fit=fit, scales=scales, convention=convention)
    tta = TestTimeAugmentation(flip=True, flip_index=FLIP, size="largest")
    found = find(sample, resize, tta)
    assert len(found) == 2
    order = np.argsort(np.abs(found.keypoints[:, None] - sample.keypoints).mean((2, 3)).argmin(1))
    gap = found.keypoints[order] - sample.keypoints
    assert np.abs(gap).max() < 2
    np.testing.assert_allclose(gap.mean((0, 1)), 0, atol=0.3)


def test_views_show_the_same_region_of_the_image():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8).repeat(16, 0).repeat(16, 1)
    sample = ResizeToFit(512, fit="short", scales=(2, 1, 0.5))(Sample(image, 0, image.shape[:2]))
    base = sample.image.astype(float)
    assert sample.scales == (1.0, 0.5, 2.0)
    half, double = sample.views
    assert half.shape[:2] == (base.shape[0] // 2, base.shape[1] // 2)
    assert double.shape[:2] == (base.shape[0] * 2, base.shape[1] * 2)
    down = double.reshape(base.shape[0], 2, base.shape[1], 2, 3).mean((1, 3))
    assert np.abs(down - base).mean() < 2
    assert np.abs(base.reshape(*half.shape[:1], 2, half.shape[1], 2, 3).mean((1, 3)) - half).mean() < 4


@pytest.mark.parametrize("scales", [(2, 1, 0.5), (2, 0.5), (1.5,)])
def test_true_maps_give_an_ap_of_at_least_095_at_any_scales(shared, scales):
    root = shared / "data/coco_mini"
    resize = ResizeToFit(size=512, fit="short", scales=scales)
    tta = TestTimeAugmentation(flip=True, flip_index=FLIP, size="largest")
    data = CocoPoseDataset(
        "annotations/person_keypoints_train2017.json", "train2017", str(root), test_mode=True, images="with_keypoints"
    )
    chosen = range(0, len(data), EVERY)
    pairs = [(data[index].truth, find(data[index], resize, tta)) for index in chosen]
    assert measured(CocoMetric(), data.metainfo, pairs)["coco/AP"] >= 0.95
