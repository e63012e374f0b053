import numpy as np
import pytest
import torch

from aemm.models.losses import GroupingLoss
from aemm.ops.tags import gather_tags, reference_tags, tag_spread
from tests.golden import meta_of


def _case(file, c):
    """Tags (B, T, L, h, w) and tag_index (B, N, P) of one golden case."""
    tags = torch.from_numpy(file[f"c{c}_tags"]).transpose(1, 2).contiguous()
    x, y = np.moveaxis(file[f"c{c}_joint_xy"], -1, 0)
    height, width = tags.shape[-2:]
    index = np.arange(x.shape[2]) * height * width + y * width + x
    return tags, torch.from_numpy(np.where(file[f"c{c}_visible"], index, -1))


@pytest.mark.golden
@pytest.mark.parametrize("form", ["reference", "paper"])
def test_grouping_loss_equals_the_original(golden, form):
    file = np.load(golden / "grouping_loss.npz")
    cases = meta_of(file)["cases"]
    assert cases
    for c in range(len(cases)):
        tags, index = _case(file, c)
        for b in range(len(tags)):
            pull, push = GroupingLoss(form)(tags[b : b + 1], index[b : b + 1]).values()
            np.testing.assert_allclose(pull, file[f"c{c}_{form}_pull"][b], rtol=1e-5, atol=1e-9)
            np.testing.assert_allclose(push, file[f"c{c}_{form}_push"][b], rtol=1e-5, atol=1e-9)
        pull, push = GroupingLoss(form)(tags, index).values()
        np.testing.assert_allclose(pull, file[f"c{c}_{form}_pull"].mean(), rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(push, file[f"c{c}_{form}_push"].mean(), rtol=1e-5, atol=1e-9)


@pytest.mark.golden
def test_grouping_loss_gradient_equals_the_original(golden):
    file = np.load(golden / "grouping_loss.npz")
    compared = 0
    for c in range(len(meta_of(file)["cases"])):
        tags, index = _case(file, c)
        for b in range(len(tags)):
            if f"c{c}_b{b}_grad_tags" not in file:
                continue
            leaf = tags[b : b + 1].clone().requires_grad_()
            sum(GroupingLoss()(leaf, index[b : b + 1]).values()).backward()
            expected = file[f"c{c}_b{b}_grad_tags"]
            np.testing.assert_allclose(leaf.grad[0, :, 0], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
            compared += 1
    assert compared


def test_two_people_with_two_keypoints_by_hand():
    tags = torch.tensor([1.0, 3.0, 0.0, 2.0]).view(1, 2, 1, 1, 2)  # keypoint 0: cells 1, 3; keypoint 1: cells 0, 2
    index = torch.tensor([[[0, 2], [1, 3]]])  # person 0: tags 1, 0; person 1: tags 3, 2
    pull, push = GroupingLoss("reference")(tags, index).values()
    assert pull.item() == pytest.approx(0.25)
    assert push.item() == pytest.approx(0.5 * np.exp(-4))
    pull, push = GroupingLoss("paper")(tags, index).values()
    assert pull.item() == pytest.approx((4 * 0.25) / 2)
    assert push.item() == pytest.approx((2 + 2 * np.exp(-2)) / 4)


def _random(batch=2, people=5, keypoints=4, dims=2, size=8, seed=0):
    g = torch.Generator().manual_seed(seed)
    tags = torch.randn(batch, keypoints, dims, size, size, generator=g)
    cells = torch.randint(size * size, (batch, people, keypoints), generator=g)
    index = cells + torch.arange(keypoints) * size * size
    index[torch.rand(index.shape, generator=g) < 0.3] = -1
    return tags, index


@pytest.mark.parametrize("form", ["reference", "paper"])
@pytest.mark.parametrize("people", [0, 1, 40])
@pytest.mark.parametrize("dims", [1, 3])
def test_any_number_of_people_gives_finite_losses_and_gradients(form, people, dims):
    tags, index = _random(people=people, dims=dims)
    tags.requires_grad_()
    pull, push = GroupingLoss(form)(tags, index).values()
    (pull + push).backward()
    assert torch.isfinite(tags.grad).all()
    assert (tags.grad.abs().sum() == 0) == (people == 0)
    if people == 0:
        assert pull == push == 0
    if people == 1 and form == "reference":
        assert push == 0


@pytest.mark.parametrize("form", ["reference", "paper"])
def test_unannotated_people_are_zero_and_stay_in_the_graph(form):
    tags = torch.randn(2, 3, 1, 4, 4, requires_grad=True)
    pull, push = GroupingLoss(form)(tags, torch.full((2, 6, 3), -1)).values()
    assert pull == push == 0
    (pull + push).backward()
    assert (tags.grad == 0).all()


@pytest.mark.parametrize("form", ["reference", "paper"])
def test_padding_order_and_batch_size_do_not_matter(form):
    tags, index = _random()
    loss = GroupingLoss(form)
    pull, push = loss(tags, index).values()
    padded = torch.cat([index, torch.full((2, 7, 4), -1)], 1)
    shuffled = index.flip(1)
    for other in (padded, shuffled):
        np.testing.assert_allclose(
            [v.item() for v in loss(tags, other).values()], [pull.item(), push.item()], rtol=1e-6
        )
    twice = loss(torch.cat([tags, tags]), torch.cat([index, index]))
    np.testing.assert_allclose([v.item() for v in twice.values()], [pull.item(), push.item()], rtol=1e-6)


def test_shared_tag_map_reads_the_same_map_for_every_keypoint():
    tags, _ = _random(keypoints=1, dims=2)
    cells = torch.tensor([[[3, 9, 12], [5, 60, -1]]] * 2)
    found, present = gather_tags(tags, cells)
    assert torch.equal(found[0, 0, 1], tags[0, 0, :, 1, 1])
    assert not present[0, 1, 2]
    mean, valid = reference_tags(found, present)
    torch.testing.assert_close(mean[0, 1], (tags[0, 0, :, 0, 5] + tags[0, 0, :, 7, 4]) / 2)
    assert valid.all()


def test_autocast_and_half_maps_are_computed_in_fp32():
    tags, index = _random()
    half = tags.to(torch.bfloat16)
    expected = GroupingLoss()(half.float(), index)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = GroupingLoss()(half, index)
    assert got["loss_pull"].dtype == got["loss_push"].dtype == torch.float32
    torch.testing.assert_close(got, expected)


def test_weights_scale_the_two_terms():
    tags, index = _random()
    pull, push = GroupingLoss()(tags, index).values()
    weighted = GroupingLoss(pull_weight=2.0, push_weight=0.5)(tags, index)
    torch.testing.assert_close(weighted, {"loss_pull": pull * 2, "loss_push": push / 2})


def test_loss_traces_to_one_graph_without_breaks():
    tags, index = _random()
    compiled = torch.compile(GroupingLoss(), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(tags, index), GroupingLoss()(tags, index))


def test_gradient_agrees_with_finite_differences():
    tags, index = _random(people=3, keypoints=2, size=3)
    loss = GroupingLoss("paper")

    def total(flat):
        found, _ = gather_tags(flat, index[:, :, :2])
        assert found.dtype == torch.float32
        return sum(loss(flat, index[:, :, :2]).values())

    leaf = tags.clone().requires_grad_()
    total(leaf).backward()
    at = int(leaf.grad.abs().argmax())
    step = torch.zeros(tags.numel())
    step[at] = 1e-2
    step = step.view_as(tags)
    numeric = (total(tags + step) - total(tags - step)) / 2e-2
    assert leaf.grad.flatten()[at].item() == pytest.approx(numeric.item(), rel=1e-2)


def test_tag_spread_is_zero_when_tags_collapse_and_not_a_number_without_pairs():
    tags, index = _random()
    assert tag_spread(tags, index) > 0.1
    assert tag_spread(torch.ones_like(tags), index) == pytest.approx(0, abs=1e-6)
    assert tag_spread(tags, index[:, :1]).isnan()
    lonely = torch.cat([index, torch.full_like(index[:1], -1)])  # an image without pairs does not count
    torch.testing.assert_close(tag_spread(torch.cat([tags, tags[:1]]), lonely), tag_spread(tags, index))


def test_unknown_form_is_refused():
    with pytest.raises(ValueError, match="'reference' or 'paper'"):
        GroupingLoss("mmpose")
