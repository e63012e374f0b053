import pytest
import torch

from aemm.models import HigherHead
from aemm.ops.tags import tag_spread
from aemm.structures import Maps, Targets

K, WIDTH = 3, 8


def head_of(**settings):
    torch.manual_seed(0)
    return HigherHead(num_heatmaps=K, in_channels=(WIDTH,), blocks=1, **settings)


def flags(stages, **changed):
    """Every setting of the stages on, but for those that are given."""
    names = ("train_heatmaps", "train_tags", "test_heatmaps", "test_tags")
    return {name: changed.get(name, (True,) * stages) for name in names}


def targets_of(size):
    return Targets(
        torch.rand(1, K, size, size), torch.ones(1, size, size), torch.tensor([[[0, size * size, -1], [7, -1, -1]]])
    )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_each_further_stage_has_twice_the_resolution(count):
    head = head_of(**flags(count))
    stages = head((torch.randn(2, WIDTH, 4, 6),))
    assert [stage.size for stage in stages] == [(4 * 2**i, 6 * 2**i) for i in range(count)]
    maps = head.predict(stages)
    assert maps.heatmaps.shape == (2, K, 4 * 2 ** (count - 1), 6 * 2 ** (count - 1))
    assert maps.tags.shape[:3] == (2, K, count)


def test_by_default_tags_are_at_the_coarse_stage_and_heatmaps_at_both():
    stages = head_of()((torch.randn(1, WIDTH, 4, 4),))
    assert stages[0].tags.shape == (1, K, 1, 4, 4)
    assert stages[1].tags is None


def test_a_stage_sees_the_prediction_of_the_one_before():
    head = head_of()
    first = head.deconvs[0][0][0]
    assert first.in_channels == WIDTH + 2 * K
    shared = head_of(tag_per_keypoint=False, tag_dims=2)
    assert shared.deconvs[0][0][0].in_channels == WIDTH + K + 2
    assert shared((torch.randn(1, WIDTH, 4, 4),))[0].tags.shape == (1, 1, 2, 4, 4)
    x = torch.randn(2, WIDTH, 4, 4)
    before = head((x,))[1].heatmaps
    head.convs[0].bias.data += 1
    assert not torch.allclose(head((x,))[1].heatmaps, before)


def test_only_what_a_stage_carries_is_trained():
    x = torch.randn(1, WIDTH, 4, 4)
    on, off = (True, True), (True, False)
    both = head_of(**flags(2, train_tags=off, test_tags=off))
    coarse = head_of(**flags(2, train_heatmaps=off, train_tags=on, test_heatmaps=off))
    targets = [targets_of(8), targets_of(4)]
    for head, heatmaps, tags in ((both, (0, 1), (0,)), (coarse, (0,), (0, 1))):
        stages = head((x,))
        losses = head.loss(stages, targets)
        by_size = {4: targets[1], 8: targets[0]}
        expected = sum(
            head.heatmap_loss(stages[i].heatmaps, (t := by_size[stages[i].size[0]]).heatmaps, t.weight)["loss_heatmap"]
            for i in heatmaps
        )
        torch.testing.assert_close(losses["loss_heatmap"], expected)
        pulls = [head.grouping_loss(stages[i].tags, by_size[stages[i].size[0]].tag_index)["loss_pull"] for i in tags]
        torch.testing.assert_close(losses["loss_pull"], sum(pulls))


def test_only_what_the_test_asks_for_is_decoded():
    coarse, fine = (Maps(torch.rand(1, K, s, s), torch.rand(1, K, 1, s, s)) for s in (4, 8))
    up = coarse.resize((8, 8))
    maps = head_of(**flags(2)).predict([coarse, fine])
    torch.testing.assert_close(maps.heatmaps, (up.heatmaps + fine.heatmaps) / 2)
    torch.testing.assert_close(maps.tags, torch.cat([up.tags, fine.tags], 2))
    maps = head_of(**flags(2, test_heatmaps=(False, True), test_tags=(True, False))).predict([coarse, fine])
    torch.testing.assert_close(maps.heatmaps, fine.heatmaps)
    torch.testing.assert_close(maps.tags, up.tags)
    assert head_of(**flags(2, test_tags=(False, False))).predict([coarse, fine]).tags is None


def test_aligned_corners_keep_the_corner_cells():
    coarse, fine = Maps(torch.rand(1, K, 4, 4), torch.rand(1, K, 1, 4, 4)), Maps(torch.zeros(1, K, 8, 8))
    settings = dict(test_heatmaps=(True, False), test_tags=(True, False))
    aligned = head_of(align_corners=True, **settings).predict([coarse, fine])
    torch.testing.assert_close(aligned.heatmaps[..., ::7, ::7], coarse.heatmaps[..., ::3, ::3])
    torch.testing.assert_close(aligned.tags[..., ::7, ::7], coarse.tags[..., ::3, ::3])
    assert not torch.allclose(head_of(**settings).predict([coarse, fine]).heatmaps, aligned.heatmaps)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(train_tags=(True,)), "one entry for each stage"),
        (flags(0), "one entry for each stage"),
        (dict(test_tags=(True, True)), r"train_tags=\(True, False\) leaves out"),
        (dict(train_heatmaps=(False, True)), r"test_heatmaps=\(True, True\) asks for a stage"),
        (dict(test_heatmaps=(False, False)), "leaves nothing to decode"),
        (dict(train_heatmaps=(True, False), test_heatmaps=(True, False)), "last stage trains neither"),
        (dict(stages="max"), "'mean' or 'sum'"),
    ],
)
def test_stages_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        head_of(**settings)


def test_several_feature_maps_are_refused():
    with pytest.raises(ValueError, match="takes one feature map, but the backbone gives 2; use AEHead"):
        HigherHead(num_heatmaps=K, in_channels=(4, 8))


def test_the_spread_is_that_of_decoded_tags_alone():
    x, targets = torch.randn(1, WIDTH, 4, 4), [targets_of(8), targets_of(4)]
    head = head_of(**flags(2, test_tags=(True, False)))
    stages = head((x,))
    torch.testing.assert_close(
        head.loss(stages, targets)["tag_spread"], tag_spread(stages[0].tags, targets[1].tag_index)
    )
    assert "tag_spread" not in head_of(**flags(2, test_tags=(False, False))).loss(stages, targets)
