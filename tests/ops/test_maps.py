import pytest
import torch

from aemm.ops.maps import hflip, merge_maps
from aemm.skeletons import SKELETONS
from aemm.structures import Maps

COCO = SKELETONS["coco"].flip_index


def _maps(size=(6, 10), channels=17, tag_channels=17, dims=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    heatmaps = torch.rand(2, channels, *size, generator=generator)
    tags = torch.randn(2, tag_channels, dims, *size, generator=generator) if tag_channels else None
    return Maps(heatmaps, tags)


@pytest.mark.parametrize("tag_channels", [17, 1, 0])
def test_flipping_twice_is_identity(tag_channels):
    maps = _maps(tag_channels=tag_channels)
    back = hflip(hflip(maps, COCO), COCO)
    assert torch.equal(back.heatmaps, maps.heatmaps)
    assert back.tags is maps.tags or torch.equal(back.tags, maps.tags)


def test_flipping_swaps_left_and_right_channels_of_heat_and_tags():
    maps = _maps()
    flipped = hflip(maps, COCO)
    left, right = 5, 6
    assert torch.equal(flipped.heatmaps[:, left, :, 0], maps.heatmaps[:, right, :, -1])
    assert torch.equal(flipped.tags[:, left, :, :, 2], maps.tags[:, right, :, :, -3])


def test_shared_tags_are_only_mirrored():
    maps = _maps(tag_channels=1)
    assert torch.equal(hflip(maps, COCO).tags, maps.tags.flip(-1))


def test_flip_index_of_another_length_is_refused():
    with pytest.raises(ValueError, match="each of the 17 heatmaps, got 14"):
        hflip(_maps(), SKELETONS["crowdpose"].flip_index)


def test_merging_averages_heat_and_concatenates_tags():
    views = [_maps(seed=s) for s in (0, 1)]
    merged = merge_maps(views, (6, 10))
    torch.testing.assert_close(merged.heatmaps, (views[0].heatmaps + views[1].heatmaps) / 2)
    assert torch.equal(merged.tags, torch.cat([views[0].tags, views[1].tags], dim=2))


def test_views_of_other_sizes_are_resized_and_those_without_tags_add_only_heat():
    coarse, fine = _maps((6, 10)), _maps((12, 20), tag_channels=0, seed=1)
    merged = merge_maps([coarse, fine], (12, 20))
    resized = coarse.resize((12, 20))
    torch.testing.assert_close(merged.heatmaps, (resized.heatmaps + fine.heatmaps) / 2)
    assert torch.equal(merged.tags, resized.tags)
    assert merge_maps([fine], (12, 20)).tags is None


def test_merging_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one Maps"):
        merge_maps([], (4, 4))
