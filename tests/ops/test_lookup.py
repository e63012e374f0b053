import numpy as np
import pytest
import torch

from aemm.ops.cell_search import search_blocks
from aemm.ops.lookup import fill_missing


def _random_lookup(seed):
    """Random maps with plateaus, whole tags, extreme tags, odd sizes, in turn."""
    rng = np.random.default_rng(seed)
    keypoints, dims = rng.integers(1, 5, 2)
    height, width = rng.integers(1, 70, 2)
    channels = keypoints if seed % 2 else 1
    heat = rng.random((keypoints, height, width)) ** 4
    if seed % 3 == 0:
        heat = np.round(heat * 3) * 0.1
    if seed % 7 == 0:
        heat = heat - 0.5
    tags = rng.normal(0, 2, (channels, dims, height, width))
    if seed % 5 == 0:
        tags = np.round(tags)
    people = rng.integers(1, 7)
    reference = rng.normal(0, 20 if seed % 4 == 0 else 2, (people, dims))
    arrays = (heat, tags, reference)
    absent = torch.from_numpy(rng.random((people, keypoints)) < 0.7)
    return (*(torch.from_numpy(a.astype(np.float32)) for a in arrays), absent)


def _in_blocks(heat, tags, reference, absent, likely=None, cost="rounded", threads=1):
    """Cells as ``fill_missing`` gives them, by the search of the CPU."""
    first = np.zeros((len(heat), 1, 2), np.int64) if likely is None else likely.numpy()
    arrays = (values.numpy() for values in (heat, tags, reference, absent))
    index = torch.from_numpy(search_blocks(*arrays, first, cost, threads))
    width = heat.shape[2]
    cells = torch.stack([index % width, index.div(width, rounding_mode="floor")], -1)
    return torch.where(absent[..., None], cells, -1)


@pytest.mark.parametrize("cost", ["rounded", "squared"])
def test_looking_up_blocks_equals_the_search_through_every_cell(cost):
    for seed in range(200):
        heat, tags, reference, absent = _random_lookup(seed)
        cells = fill_missing(heat, tags, reference, absent, cost)
        height, width = heat.shape[1:]
        first = torch.randint(0, height * width, (len(heat), 5), generator=torch.Generator().manual_seed(seed))
        for likely in (None, torch.stack([first % width, first // width], -1)):
            assert torch.equal(_in_blocks(heat, tags, reference, absent, likely, cost), cells)


@pytest.mark.parametrize("size", [(128, 128), (200, 264), (300, 250)])  # the last is worth threads
def test_looking_up_is_exact_on_smooth_maps_and_on_flat_ones(size):
    generator = torch.Generator().manual_seed(0)
    heat = torch.rand(3, 12, 12, generator=generator)[None]
    heat = torch.nn.functional.interpolate(heat, size, mode="bicubic")[0] ** 3
    tags = torch.nn.functional.interpolate(torch.randn(3, 2, 9, 9, generator=generator) * 3, size, mode="bilinear")
    reference, absent = torch.randn(8, 2, generator=generator) * 3, torch.ones(8, 3, dtype=torch.bool)
    for maps in (heat, torch.zeros_like(heat), heat * 0.02):
        asked = (maps, tags, reference, absent)
        assert torch.equal(_in_blocks(*asked, threads=2), fill_missing(*asked))


def test_a_squared_cost_tells_apart_what_rounding_takes_for_equal():
    heat = torch.tensor([[[0.5, 0.6, 1.0]]])
    tags = torch.tensor([[[[0.1, 0.49, 1.2]]]])
    asked = (heat, tags, torch.zeros(1, 1), torch.ones(1, 1, dtype=torch.bool))
    for look_up in (fill_missing, _in_blocks):
        assert look_up(*asked)[0, 0].tolist() == [1, 0]  # 0.5, 0.6, 1 - 1
        assert look_up(*asked, cost="squared")[0, 0].tolist() == [0, 0]  # 0.495, 0.48, 0.28


def test_nothing_absent_and_nobody_there_give_empty_answers():
    heat, tags = torch.rand(2, 8, 8), torch.rand(2, 1, 8, 8)
    for look_up in (fill_missing, _in_blocks):
        assert (look_up(heat, tags, torch.zeros(3, 1), torch.zeros(3, 2, dtype=torch.bool)) == -1).all()
        assert look_up(heat, tags, torch.zeros(0, 1), torch.zeros(0, 2, dtype=torch.bool)).shape == (0, 2, 2)
