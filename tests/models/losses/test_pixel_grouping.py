import numpy as np
import pytest
import torch

from aemm.models.losses import PixelGroupingLoss


def _random(batch=2, classes=3, instances=5, pixels=6, dims=2, size=8, seed=0):
    """Tags (B, C, L, h, w) and tag_index (B, N, P) of instances that each lie in one tag map."""
    g = torch.Generator().manual_seed(seed)
    tags = torch.randn(batch, classes, dims, size, size, generator=g)
    cells = torch.randint(size * size, (batch, instances, pixels), generator=g)
    index = cells + torch.randint(classes, (batch, instances, 1), generator=g) * size * size
    count = torch.randint(1, pixels + 1, (batch, instances, 1), generator=g)
    return tags, torch.where(torch.arange(pixels) < count, index, -1)


def _by_loops(tags, index, normalize, sigma):
    """Equation 2, pair by pair."""
    size = tags.shape[3] * tags.shape[4]
    pulls, pushes = [], []
    for of_image, rows in zip(tags.double(), index.tolist(), strict=True):
        flat = of_image.flatten(2)  # (T, L, cells)
        sets = [(row[0] // size, [flat[i // size, :, i % size] for i in row if i >= 0]) for row in rows if row[0] >= 0]
        pull = push = torch.zeros((), dtype=torch.float64)
        pairs = 0
        for n, (plane, own) in enumerate(sets):
            inner = sum(((a - b) ** 2).sum() for a in own for b in own)
            pull = pull + (inner / len(own) ** 2 if normalize else inner)
            for m, (other, theirs) in enumerate(sets):
                if m != n and other == plane:
                    outer = sum(torch.exp(-((a - b) ** 2).sum() / (2 * sigma**2)) for a in own for b in theirs)
                    push = push + (outer / len(own) / len(theirs) if normalize else outer)
                    pairs += 1
        pulls.append(pull / max(1, len(sets)) if normalize else pull)
        pushes.append(push / max(1, pairs) if normalize else push)
    return torch.stack(pulls).mean(), torch.stack(pushes).mean()


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("sigma", [1.0, 0.4])
@pytest.mark.parametrize(("classes", "dims"), [(3, 1), (3, 2), (1, 3)])
def test_loss_equals_the_loop(normalize, sigma, classes, dims):
    tags, index = _random(classes=classes, dims=dims)
    index[1, 3] = -1
    got = PixelGroupingLoss(normalize, sigma=sigma)(tags, index)
    expected = _by_loops(tags, index, normalize, sigma)
    np.testing.assert_allclose([v.item() for v in got.values()], [v.item() for v in expected], rtol=1e-5)
    assert all(v > 0 for v in expected)


def test_two_instances_by_hand():
    tags = torch.tensor([0.0, 1.0, 3.0, 3.0]).view(1, 1, 1, 1, 4)
    index = torch.tensor([[[0, 1], [2, 3]]])
    pull, push = PixelGroupingLoss(normalize=False)(tags, index).values()
    assert pull.item() == pytest.approx(2)  # (0, 1) and (1, 0)
    assert push.item() == pytest.approx(2 * 2 * (np.exp(-9 / 2) + np.exp(-4 / 2)))
    pull, push = PixelGroupingLoss(normalize=True)(tags, index).values()
    assert pull.item() == pytest.approx(0.5 / 2)
    assert push.item() == pytest.approx((np.exp(-9 / 2) + np.exp(-4 / 2)) / 2)


def test_instances_of_different_classes_are_not_pushed_apart():
    tags = torch.zeros(1, 2, 1, 1, 4)
    apart = torch.tensor([[[0, 1], [4 + 2, 4 + 3]]])
    assert PixelGroupingLoss()(tags, apart)["loss_push"] == 0
    assert PixelGroupingLoss()(tags[:, :1], apart % 4)["loss_push"] == pytest.approx(1)  # one tag map for all


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("instances", [0, 1, 30])
def test_any_number_of_instances_gives_finite_losses_and_gradients(normalize, instances):
    tags, index = _random(instances=instances)
    tags.requires_grad_()
    pull, push = PixelGroupingLoss(normalize)(tags, index).values()
    (pull + push).backward()
    assert torch.isfinite(tags.grad).all()
    assert (tags.grad.abs().sum() == 0) == (instances == 0)
    assert instances > 1 or push == 0


@pytest.mark.parametrize("normalize", [True, False])
def test_padding_order_and_batch_size_do_not_matter(normalize):
    tags, index = _random()
    loss = PixelGroupingLoss(normalize)
    expected = [v.item() for v in loss(tags, index).values()]
    wider = torch.cat([index, torch.full((2, 5, 3), -1)], 2)
    for other in (torch.cat([index, torch.full((2, 4, 6), -1)], 1), wider, index.flip(1), index.flip(2)):
        np.testing.assert_allclose([v.item() for v in loss(tags, other).values()], expected, rtol=1e-5)
    twice = loss(torch.cat([tags, tags]), torch.cat([index, index]))
    np.testing.assert_allclose([v.item() for v in twice.values()], expected, rtol=1e-5)


def test_normalised_loss_does_not_grow_with_the_number_of_pixels():
    tags, index = _random()
    once, twice = (PixelGroupingLoss(True)(tags, i) for i in (index, torch.cat([index, index], 2)))
    torch.testing.assert_close(once, twice)
    sums = PixelGroupingLoss(False)(tags, torch.cat([index, index], 2))
    torch.testing.assert_close(sums, {name: 4 * v for name, v in PixelGroupingLoss(False)(tags, index).items()})


def test_autocast_is_left_and_weights_scale_the_terms():
    tags, index = _random()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pull, push = PixelGroupingLoss(pull_weight=2.0, push_weight=0.5)(tags.bfloat16(), index).values()
    assert pull.dtype == push.dtype == torch.float32
    expected = PixelGroupingLoss()(tags.bfloat16().float(), index)
    torch.testing.assert_close((pull, push), (expected["loss_pull"] * 2, expected["loss_push"] / 2))


def test_sigma_must_be_positive():
    with pytest.raises(ValueError, match="sigma must be positive, got 0"):
        PixelGroupingLoss(sigma=0)
