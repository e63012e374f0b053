import numpy as np
import pytest
import torch

from aemm.ops.pixel_grouping import find_modes, group_pixels, group_tags, histogram, nearest_mode


def _cloud(centers, counts, noise=0.1, seed=0):
    """Tags (M, L) around centers (N, L), and which each belongs to."""
    g = torch.Generator().manual_seed(seed)
    centers = torch.as_tensor(centers, dtype=torch.float32)
    own = torch.repeat_interleave(torch.arange(len(centers)), torch.as_tensor(counts))
    own = own[torch.randperm(len(own), generator=g)]
    return centers[own] + noise * torch.randn(len(own), centers.shape[1], generator=g), own


@pytest.mark.parametrize("dims", [1, 2, 3, 6])
def test_modes_lie_where_the_tags_gather_densest_first(dims):
    centers = torch.zeros(3, dims)
    centers[:, -1] = torch.tensor([-4.0, 0.0, 5.0])
    tags, _ = _cloud(centers, [300, 100, 200])
    modes = find_modes(tags, radius=1.5, bandwidth=0.3)
    assert modes.shape == (3, dims)
    torch.testing.assert_close(modes, centers[[0, 2, 1]], atol=0.25, rtol=0)


@pytest.mark.parametrize(
    ("count", "dims", "spread", "between"),
    [(5000, 1, 5.0, 0), (500, 8, 0.2, 0), (300, 3, 0.7, 0), (300, 3, 0.7, 1000), (1, 2, 1.0, 0)],
)
def test_modes_are_the_bins_without_a_denser_one_near(count, dims, spread, between):
    """By a table of all bins and all bins, far from 0 and from each other and larger than what is made at a time."""
    tags = 60 + spread * torch.randn(count, dims, generator=torch.Generator().manual_seed(count))
    tags[: count // 2] += between
    bins = histogram(tags, 0.15)
    apart = torch.cdist(bins.mean.double(), bins.mean.double())
    density = torch.exp(apart.square() / (-2 * 0.3**2)) @ bins.pixels.double()
    beaten = (apart <= 1.0) & (density[None] > density[:, None] * (1 + 1e-6))
    modes = ~beaten.any(1)
    expected = bins.mean[modes][density[modes].argsort(descending=True)]
    assert torch.equal(find_modes(tags, 1.0, 0.3), expected)
    np.testing.assert_allclose(find_modes(tags.numpy(), 1.0, 0.3), expected, rtol=1e-6)


def test_modes_are_never_nearer_than_the_radius():
    tags = torch.linspace(0, 20, 4000)[:, None]
    for radius in (0.5, 1.0, 3.0):
        line = find_modes(tags, radius, 0.2)[:, 0].sort().values
        assert (line.diff() > radius).all()
    assert len(find_modes(torch.ones(500, 2), 1.0, 0.2)) == 1


def test_nearest_mode_on_a_line_equals_the_distances():
    g = torch.Generator().manual_seed(1)
    tags, modes = 10 * torch.rand(500, 1, generator=g), 10 * torch.rand(7, 1, generator=g)
    assert torch.equal(nearest_mode(tags, modes), (tags - modes[:, 0]).abs().argmin(1))


def test_histogram_counts_every_pixel_however_many_bins_there_are():
    g = torch.Generator().manual_seed(0)
    for tags in (torch.randn(20000, 3, generator=g) * 10, torch.randn(50, 1, generator=g) * 1e6, torch.zeros(4, 6)):
        bins = histogram(tags, 0.05)
        assert len(bins.pixels) <= 2048
        assert bins.pixels.sum() == len(tags)
        torch.testing.assert_close(
            (bins.mean * bins.pixels[:, None]).sum(0) / len(tags), tags.mean(0), atol=1e-3, rtol=1e-3
        )


def test_small_groups_are_given_up_and_their_pixels_go_to_the_nearest():
    tags = torch.tensor([0.0] * 10 + [3.0] * 2 + [9.0] * 10)[:, None]
    owner, count = group_tags(tags, 1.0, 0.2, 3)
    assert count == 2
    assert (owner[10:12] == owner[0]).all()
    assert (owner[12:] != owner[0]).all()
    assert group_tags(tags, 1.0, 0.2, 1)[1] == 3
    nobody, none = group_tags(tags, 1.0, 0.2, 23)
    assert none == 0
    assert (nobody == -1).all()


@pytest.mark.parametrize("dims", [1, 2, 4])
def test_clouds_are_told_apart_under_noise(dims):
    centers = torch.zeros(4, dims)
    centers[:, 0] = torch.arange(4) * 3
    tags, own = _cloud(centers, [400, 60, 150, 30], noise=0.3)
    owner, count = group_tags(tags, 1.2, 0.3, 4)
    assert count == 4
    pairs = {(int(a), int(b)) for a, b in zip(own, owner, strict=True)}
    assert len(pairs) == 4


def _scene():
    """Two classes on a 12 x 10 map: two instances of the first side by side, one of the second over both."""
    heat, tags = torch.zeros(2, 10, 12), torch.zeros(2, 1, 10, 12)
    heat[0, 2:6, 1:9] = 0.9
    tags[0, 0, :, 5:] = 4.0
    heat[1, 4:9, 4:7] = 0.7
    return heat, tags


def test_cells_are_grouped_class_by_class():
    heat, tags = _scene()
    groups = group_pixels(heat, tags)
    assert groups.labels.tolist() == [0, 0, 1]
    np.testing.assert_allclose(groups.scores, [0.9, 0.9, 0.7], rtol=1e-5)
    assert sorted(groups.tags[:2, 0].tolist()) == [0.0, 4.0]
    assert (groups.owner[0, 2:6, 1:5].unique().numel(), groups.owner[0, 2:6, 5:9].unique().numel()) == (1, 1)
    assert torch.equal(groups.owner >= 0, heat > 0.5)
    assert (groups.owner[1, 4:9, 4:7] == 2).all()


def test_arrays_and_tensors_are_grouped_alike():
    heat, tags = _scene()
    noisy = tags.repeat(1, 3, 1, 1) + 0.1 * torch.randn(2, 3, 10, 12, generator=torch.Generator().manual_seed(0))
    for maps in (noisy, noisy[:1]):
        tensors, arrays = group_pixels(heat, maps), group_pixels(heat.numpy(), maps.numpy())
        assert len(arrays.labels) > 2
        np.testing.assert_array_equal(arrays.owner, tensors.owner)
        np.testing.assert_array_equal(arrays.labels, tensors.labels)
        np.testing.assert_allclose(arrays.tags, tensors.tags, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(arrays.scores, tensors.scores, rtol=1e-5)


def test_one_shared_tag_map_serves_all_classes():
    heat, tags = _scene()
    groups = group_pixels(heat, tags[:1])
    assert groups.labels.tolist() == [0, 0, 1, 1]  # the shared map splits the second class, too


def test_empty_maps_and_specks_give_no_instance():
    heat, tags = _scene()
    for found in (group_pixels(heat * 0, tags), group_pixels(heat, tags, min_cells=100)):
        assert len(found.labels) == len(found.scores) == len(found.tags) == 0
        assert (found.owner == -1).all()
    assert group_pixels(heat * 0, tags).tags.shape == (0, 1)


def test_order_of_the_dimensions_does_not_matter():
    heat, tags = _scene()
    wide = torch.cat([tags, torch.zeros_like(tags)], 1)
    assert torch.equal(group_pixels(heat, wide).owner, group_pixels(heat, wide.flip(1)).owner)
    assert torch.equal(group_pixels(heat, wide).owner, group_pixels(heat, tags).owner)


def test_tags_of_another_size_are_refused():
    heat, tags = _scene()
    with pytest.raises(ValueError, match="T=1 or T=2"):
        group_pixels(heat, tags[..., 1:])
