"""Absent keypoints of an instance looked up in the maps, without a search through every cell where that can be helped.

Letters: N instances, K keypoints, T tag channels, L tag dimensions, M likely cells per channel, ``h, w`` map cells.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from aemm.ops.cell_search import TagCost, search_blocks
from aemm.ops.transfer import send

_VALUES_AT_ONCE = 1 << 24  # bounds memory where every cell is searched: a few hundred MB, in as few launches as can be


def fill_missing(
    heatmaps: Tensor,
    tags: Tensor,
    reference: Tensor,
    absent: Tensor,
    first: Tensor | None = None,
    cost: TagCost = "rounded",
) -> Tensor:
    """Look up absent keypoints where ``heatmap - cost of the tag's distance to the reference tag`` is largest.

    The first cell wins a tie. On the CPU the result of a search through every cell is found without
    one, see :func:`aemm.ops.cell_search.search_blocks`; on other devices the search is done as it stands.

    Args:
        heatmaps: ``(K, h, w) float32`` of one image.
        tags: ``(T, L, h, w) float32``, T = K or 1.
        reference: ``(N, L) float32`` reference tag of each instance.
        absent: ``(N, K) bool``, what to look up, on the CPU wherever the maps are.
        first: ``(K, M, 2) int64`` cells x, y of each map that are likely answers, such as its peaks; the
            result is the same with and without them, but sooner there.
        cost: the distance 'rounded' to a whole number, as the references have it, or half of it 'squared'.

    Returns:
        ``(N, K, 2) int64`` cells x, y; -1 where nothing was asked.

    Reference:
        princeton-vl/pose-ae-train test.py, refine;
        HRNet/HigherHRNet-Human-Pose-Estimation lib/core/group.py, HeatmapParser.refine.
    """
    if heatmaps.device.type == "cpu":
        near = np.zeros((len(heatmaps), 1, 2), np.int64) if first is None else first.numpy()
        maps, planes = heatmaps.detach().numpy(), tags.detach().numpy()
        found = search_blocks(maps, planes, reference.numpy(), absent.numpy(), near, cost, torch.get_num_threads())
        index = torch.from_numpy(found)
    else:
        index = search_every_cell(heatmaps, tags, reference, absent, cost)
    width = heatmaps.shape[2]
    cells = torch.stack([index % width, torch.div(index, width, rounding_mode="floor")], -1)
    return torch.where(send(absent, heatmaps.device)[..., None], cells, -1)


def search_every_cell(
    heatmaps: Tensor, tags: Tensor, reference: Tensor, absent: Tensor, cost: TagCost = "rounded"
) -> Tensor:
    """Flat cells ``(N, K)`` that :func:`fill_missing` asks for, by a pass over the map for each of them.

    Which those are is known on the CPU, so that the device is never asked.
    """
    index = torch.zeros(absent.shape, dtype=torch.int64, device=heatmaps.device)
    wanted = send(torch.stack(absent.nonzero(as_tuple=True)), heatmaps.device)  # (2, look-ups)
    heat, planes = heatmaps.flatten(1), tags.flatten(2)
    for row, channel in zip(*(part.split(max(1, _VALUES_AT_ONCE // heat.shape[1])) for part in wanted), strict=True):
        plane = channel if len(tags) > 1 else torch.zeros_like(channel)
        square = torch.zeros((), device=heatmaps.device)
        for axis, value in enumerate(reference[row].T):
            square = square + (planes[plane, axis] - value[:, None]) ** 2
        away = square.sqrt().round() if cost == "rounded" else square * 0.5
        index[row, channel] = (heat[channel] - away).max(1).indices  # first of equals
    return index
