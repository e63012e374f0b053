import pytest
import torch

from aemm.models import AEHead
from aemm.ops.tags import tag_spread
from aemm.structures import Maps, Targets

K = 3


def targets_of(size, tags=True):
    index = torch.tensor([[[0, size * size + 5, -1], [7, -1, -1]]]) if tags else None
    return Targets(torch.rand(1, K, size, size), torch.ones(1, size, size), index)


def test_each_deconvolution_doubles_the_map_of_each_stage():
    head = AEHead(num_heatmaps=K, in_channels=(10, 6), deconv_channels=(5, 4))
    stages = head((torch.randn(2, 10, 4, 6), torch.randn(2, 6, 8, 12)))
    assert [stage.heatmaps.shape for stage in stages] == [(2, K, 16, 24), (2, K, 32, 48)]
    assert [stage.tags.shape for stage in stages] == [(2, K, 1, 16, 24), (2, K, 1, 32, 48)]


def test_shared_tags_take_one_channel_for_each_dimension():
    head = AEHead(num_heatmaps=K, in_channels=(4,), tag_dims=2, tag_per_keypoint=False)
    (stage,) = head((torch.randn(1, 4, 8, 8),))
    assert stage.tags.shape == (1, 1, 2, 8, 8)


def test_splitting_gives_heatmaps_first_then_tags_and_drops_the_rest():
    head = AEHead(num_heatmaps=K, in_channels=(9,), project=False)
    x = torch.randn(1, 9, 4, 4)
    (stage,) = head((x,))
    assert torch.equal(stage.heatmaps, x[:, :K])
    assert torch.equal(stage.tags[:, :, 0], x[:, K : 2 * K])


def test_stages_add_up_or_are_averaged():
    feats = (torch.randn(1, 6, 8, 8), torch.randn(1, 6, 8, 8))
    losses = {}
    for stages in ("sum", "mean"):
        head = AEHead(num_heatmaps=K, in_channels=(6, 6), project=False, stages=stages)
        torch.manual_seed(0)
        losses[stages] = head.loss(head(feats), [targets_of(8)])
    for name in ("loss_heatmap", "loss_pull", "loss_push"):
        torch.testing.assert_close(losses["sum"][name], 2 * losses["mean"][name])


def test_a_stage_without_a_target_of_its_size_is_named():
    head = AEHead(num_heatmaps=K, in_channels=(6,), project=False)
    with pytest.raises(ValueError, match=r"maps of \(8, 8\) cells, but the targets have \[\(4, 4\)\]"):
        head.loss(head((torch.randn(1, 6, 8, 8),)), [targets_of(4)])


def test_tags_without_places_to_read_them_are_refused_instead_of_left_untrained():
    head = AEHead(num_heatmaps=K, in_channels=(6,), project=False)
    with pytest.raises(ValueError, match="check tag_strides"):
        head.loss(head((torch.randn(1, 6, 8, 8),)), [targets_of(8, tags=False)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(in_channels=(5,), project=False), "splits 6 channels .* but the backbone gives 5"),
        (dict(in_channels=(6,), project=False, deconv_channels=(4,)), "need project=True"),
        (dict(in_channels=(6,), stages="max"), "'mean' or 'sum', got 'max'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        AEHead(num_heatmaps=K, **settings)


def test_tag_weights_are_drawn_as_wide_as_told():
    torch.manual_seed(0)
    head = AEHead(num_heatmaps=K, in_channels=(64,), tag_std=5.0)
    weight = head.convs[0].weight
    assert weight[K:].std() > 3
    assert weight[:K].std() < 1


def test_the_last_stage_is_decoded():
    head = AEHead(num_heatmaps=K, in_channels=(6, 6), project=False)
    stages = [Maps(torch.rand(1, K, 4, 4)), Maps(torch.rand(1, K, 4, 4))]
    assert head.predict(stages) is stages[1]


@pytest.mark.parametrize("project", [True, False])
def test_without_tag_dimensions_there_are_only_heatmaps_to_learn(project):
    head = AEHead(num_heatmaps=K, in_channels=(4, 4), tag_dims=0, project=project)
    stages = head((torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)))
    assert [stage.heatmaps.shape for stage in stages] == [(1, K, 8, 8)] * 2
    assert all(stage.tags is None for stage in stages)
    assert set(head.loss(stages, [targets_of(8, tags=False)])) == {"loss_heatmap"}
    assert all(conv.out_channels == K for conv in head.convs)


@pytest.mark.parametrize("wrong", [dict(tag_std=0.2), dict(grouping_loss=dict(type="GroupingLoss"))])
def test_settings_of_tags_without_tags_are_refused(wrong):
    with pytest.raises(ValueError, match="tag_dims=0 leaves no tags to draw or to group; drop tag_std and groupi"):
        AEHead(num_heatmaps=K, in_channels=(4,), tag_dims=0, **wrong)


def test_the_spread_is_that_of_the_stage_that_is_decoded():
    head = AEHead(num_heatmaps=K, in_channels=(6, 6), project=False)
    stages = head((torch.randn(1, 6, 8, 8), torch.randn(1, 6, 8, 8)))
    target = targets_of(8)
    for stage in stages:
        own = tag_spread(stage.tags, target.tag_index)
        assert (head.loss(stages, [target])["tag_spread"] == own) == (stage is stages[-1])
