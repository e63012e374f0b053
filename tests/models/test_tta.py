import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.model import BaseModule
from torch import nn

from aemm.datasets import collate
from aemm.models import TestTimeAugmentation
from aemm.ops.maps import hflip, merge_maps
from aemm.registry import MODELS, TRANSFORMS
from aemm.skeletons import build_skeleton
from aemm.structures import Batch, Maps, Sample
from tests.golden import meta_of

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


def colors(count: int) -> torch.Tensor:
    """The red and green by which the golden stub knows each keypoint, `(K, 2)`."""
    angle = 2 * math.pi * torch.arange(count) / count
    return torch.stack([0.5 + 0.38 * angle.cos(), 0.5 + 0.38 * angle.sin()], 1)


@MODELS.register_module()
class ColorBackbone(BaseModule):
    """The golden stub: maps read from the colours of the image, at one or two strides."""

    def __init__(self, strides, flip_index, mean=(0, 0, 0), std=(255, 255, 255)):
        super().__init__()
        self.strides, self.channels, self.flip_index = tuple(strides), (34,) * len(strides), list(flip_index)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(3, 1, 1))
        self.anchor = nn.Parameter(torch.zeros(1))

    def forward(self, image):
        image = (image * self.std + self.mean) / 255
        side = ((image[:, 2] > 0.8) * torch.linspace(-1, 1, image.shape[-1])).sum((1, 2))
        assert len(side) == 1
        known = colors(len(self.flip_index))
        known = known[self.flip_index] if side > 0 else known
        feats = []
        for stride in self.strides:
            p = F.avg_pool2d(image, stride)
            square = (p[:, None, :2] - known[None, :, :, None, None]).square().sum(2)
            heat = torch.exp(-square / 0.008)
            feats.append(torch.cat([heat, 10 * p[:, 2:].expand_as(heat)], 1))
        return tuple(feats)


@MODELS.register_module()
class StagesHead(BaseModule):
    """The stub's maps, those of several strides merged: heatmaps of all, tags of the first."""

    def __init__(self, in_channels):
        super().__init__()

    def forward(self, feats):
        stages = [Maps(x[:, :17], x[:, 17:].unsqueeze(2)) for x in feats]
        return [stages[0], *(Maps(stage.heatmaps) for stage in stages[1:])]

    def predict(self, stages):
        return merge_maps(stages, stages[-1].size)

    def loss(self, stages, targets):
        return {}


def golden_model(case: dict, flip_index: list[int]) -> tuple[nn.Module, object]:
    """Model and resizing transform of a golden case, from the shipped configs."""
    style = {"authors": "newell", "higherhrnet": "higherhrnet"}[case["style"]]
    protocol = Config.fromfile(CONFIGS / "_base_" / "protocols" / f"{style}.py").to_dict()
    (resize,) = protocol["test_pipeline"]
    resize |= dict(size=case["input_size"], scales=case["scales"])
    decoder, tta = protocol["decoder"], protocol["tta"] | dict(flip=case["flip"])
    normalise = {}
    if style == "higherhrnet":
        normalise = IMAGENET
        tta["size"] = "input" if case["project_to_image"] else "largest"
    backbone = dict(type="ColorBackbone", strides=(4, 2) if style == "higherhrnet" else (4,), flip_index=flip_index)
    model = dict(
        type="Embedder",
        backbone=backbone | normalise,
        head=dict(type="StagesHead"),
        decoder=decoder | dict(max_instances=None),
        data_preprocessor=dict(type="Preprocessor", **normalise),
        tta=tta,
    )
    return MODELS.build(model).eval(), TRANSFORMS.build(resize | dict(multiple_of=64))


def match(found: np.ndarray, expected: np.ndarray) -> list[int]:
    """For each expected person the row of the one found that lies nearest."""
    gap = np.abs(found[None, :, :, :2] - expected[:, None, :, :2]).max((2, 3))
    return gap.argmin(1).tolist()


@pytest.mark.golden
def test_every_case_of_test_time_gives_the_people_of_the_originals(golden):
    file = np.load(golden / "test_time.npz")
    meta = meta_of(file)
    assert meta["cases"]
    for case in meta["cases"]:
        key = case["key"]
        model, resize = golden_model(case, meta["flip_index"])
        image = file[f"image{case['image']}"]
        batch = collate([resize(Sample(image, key, image.shape[:2], skeleton=build_skeleton("coco")))])
        batch = model.data_preprocessor(batch)["batch"]
        with torch.no_grad():
            maps = model(batch, mode="tensor")
            (found,) = model(batch, mode="predict")
        if "map_size" in case:
            assert maps.size == tuple(case["map_size"]), key
            assert maps.tags.shape[2] == case["tag_dims"], key
            every8 = file[f"{key}_heatmaps_every8"]
            np.testing.assert_allclose(maps.heatmaps[0, :, ::8, ::8].numpy(), every8, atol=1e-4, err_msg=key)
        people, scores = file[f"{key}_people"], file[f"{key}_scores"]
        assert len(found) == len(people) == case["people"], key
        rows = match(found.keypoints, people)
        assert sorted(rows) == list(range(len(people))), key
        np.testing.assert_allclose(found.keypoints[rows], people[..., :2], atol=0.05, err_msg=key)
        np.testing.assert_allclose(found.keypoint_scores[rows], people[..., 2], atol=1e-4, err_msg=key)
        np.testing.assert_allclose(found.scores[rows], scores, atol=1e-4, err_msg=key)


class Eye:
    """A network for tests: any function of the image at a stride, with tags of its own."""

    def __init__(self, stride: int = 4, channels: int = 5, dims: int = 2):
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.randn(channels * (1 + dims), 3, stride, stride, generator=generator)
        self.stride, self.channels, self.dims = stride, channels, dims
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, image: torch.Tensor) -> Maps:
        self.seen.append(tuple(image.shape[-2:]))
        x = F.conv2d(image, self.weight, stride=self.stride).sigmoid()
        tags = x[:, self.channels :].unflatten(1, (self.channels, self.dims))
        return Maps(x[:, : self.channels], tags)


def batch_of(*sizes: tuple[int, int], scales: tuple[float, ...] | None = None, count: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(1)
    images = [torch.rand(count, 3, *size, generator=generator) for size in sizes]
    warp = np.stack([np.eye(3)] * count)
    names = list(range(count))
    return Batch(images, names, [sizes[0]] * count, warp, scales=scales or (1.0,) * len(sizes))


def test_one_scale_without_a_mirror_is_no_augmentation():
    batch, network = batch_of((64, 96)), Eye()
    merged, plain = TestTimeAugmentation().maps(network, batch), network(batch.images[0])
    assert torch.equal(merged.heatmaps, plain.heatmaps)
    assert torch.equal(merged.tags, plain.tags)


def test_the_maps_of_a_mirrored_image_are_the_mirrored_maps():
    order = [0, 2, 1, 4, 3]
    tta, batch, network = TestTimeAugmentation(flip=True, flip_index=order), batch_of((64, 96)), Eye()
    straight = tta.maps(network, batch)
    mirrored = hflip(tta.maps(network, replace(batch, images=[batch.images[0].flip(-1)])), order)
    torch.testing.assert_close(mirrored.heatmaps, straight.heatmaps)
    # the tags of the two passes change places
    torch.testing.assert_close(mirrored.tags, straight.tags.roll(2, dims=2))


@pytest.mark.parametrize(("tags", "kept"), [("all", [0, 1, 2, 3]), ("near", [0, 1]), ("base", [0])])
def test_tags_are_kept_of_the_scales_asked_for(tags, kept):
    batch = batch_of((64, 64), (96, 96), (128, 128), (32, 32), scales=(1.0, 1.4, 2.0, 0.5))
    network = Eye()
    merged = TestTimeAugmentation(tags=tags).maps(network, batch)
    expected = [network(batch.images[i]).resize((16, 16)) for i in kept]
    torch.testing.assert_close(merged.tags, torch.cat([maps.tags for maps in expected], 2))
    views = [network(image).resize((16, 16)).heatmaps for image in batch.images]
    torch.testing.assert_close(merged.heatmaps, torch.stack(views).mean(0))


def test_without_a_scale_near_1_the_nearest_one_keeps_its_tags():
    batch = batch_of((32, 32), (128, 128), scales=(0.5, 2.0))
    merged = TestTimeAugmentation(tags="near").maps(Eye(dims=1), batch)
    assert merged.tags.shape[2] == 1


@pytest.mark.parametrize(("size", "expected"), [("base", (16, 24)), ("largest", (32, 48)), ("input", (64, 96))])
def test_maps_are_merged_at_the_size_asked_for(size, expected):
    batch = batch_of((64, 96), (128, 192), (32, 48), scales=(1.0, 2.0, 0.5))
    merged = TestTimeAugmentation(size=size).maps(Eye(), batch)
    assert merged.size == expected
    assert tuple(merged.tags.shape[-2:]) == expected


def test_udp_maps_are_resized_with_aligned_corners():
    batch = replace(batch_of((64, 64), (128, 128), scales=(1.0, 2.0)), convention="udp")
    network = Eye()
    small, large = (network(image).heatmaps for image in batch.images)
    expected = (small + F.interpolate(large, size=(16, 16), mode="bilinear", align_corners=True)) / 2
    torch.testing.assert_close(TestTimeAugmentation().maps(network, batch).heatmaps, expected)


def test_heat_is_cut_off_and_outliers_are_dropped_image_by_image():
    def network(image):
        return Maps(image[:, :1, ::4, ::4].clone())

    first, second = torch.full((2, 3, 16, 16), 0.5), torch.full((2, 3, 16, 16), 3.0)
    second[1] = 100.0
    batch = replace(batch_of((16, 16), (16, 16), scales=(1.0, 2.0)), images=[first, second])
    assert TestTimeAugmentation(max_heat=1.0).maps(network, batch).heatmaps.max() == 1
    kept = TestTimeAugmentation(drop_above=5.0).maps(network, batch).heatmaps
    assert kept[0].unique().tolist() == [1.75]
    assert kept[1].unique().tolist() == [0.25]


def test_the_network_is_not_changed_by_adding_up():
    batch, network = batch_of((64, 64), (128, 128), scales=(1.0, 2.0)), Eye()
    kept = network(batch.images[0])
    before = kept.heatmaps.clone()
    TestTimeAugmentation().maps(lambda image: kept if image.shape[-1] == 64 else network(image), batch)
    assert torch.equal(kept.heatmaps, before)


def test_views_come_one_after_the_other_the_base_first():
    batch, network = batch_of((64, 64), (128, 128), scales=(1.0, 2.0)), Eye()
    views = TestTimeAugmentation(merge="instances").views(network, batch)
    assert network.seen == []
    assert next(views).size == (16, 16)
    assert network.seen == [(64, 64)]
    assert next(views).size == (32, 32)


def test_a_mirror_without_flip_index_is_refused():
    with pytest.raises(ValueError, match="flip_index"):
        TestTimeAugmentation(flip=True)


@pytest.mark.parametrize("argument", ["tags", "size", "merge"])
def test_an_unknown_choice_is_refused(argument):
    with pytest.raises(ValueError, match=argument):
        TestTimeAugmentation(**{argument: "none"})


@pytest.mark.parametrize("tagged", [True, False])
def test_an_image_and_its_mirror_image_give_the_same_in_one_batch(tagged):
    batch, apart, together = batch_of((64, 96), (32, 48), scales=(1.0, 0.5)), Eye(), Eye()

    def without_tags(network):
        return lambda image: Maps(network(image).heatmaps)

    order = [1, 0, 2, 4, 3]
    networks = (apart, together) if tagged else (without_tags(apart), without_tags(together))
    one, other = (
        TestTimeAugmentation(flip=True, flip_index=order, mirror=mirror).maps(network, batch)
        for mirror, network in zip(("apart", "together"), networks, strict=True)
    )
    torch.testing.assert_close(one.heatmaps, other.heatmaps)
    assert (one.tags is not None) == tagged
    if tagged:
        torch.testing.assert_close(one.tags, other.tags)
    assert (len(apart.seen), len(together.seen)) == (4, 2)
