"""Absent keypoints of an instance looked up in maps that stay on their device, by a search through every cell.

Letters: N instances, K keypoints, T tag channels, L tag dimensions, ``h, w`` map cells.
"""

from __future__ import annotations

import torch
from torch import Tensor

from aemm.ops.cell_search import TagCost
from aemm.ops.transfer import send

_VALUES_AT_ONCE = 1 << 24  # bounds memory: a few hundred MB, in as few launches as can be


def fill_missing(
    heatmaps: Tensor, tags: Tensor, reference: Tensor, absent: Tensor, cost: TagCost = "rounded"
) -> Tensor:
    """Look up absent keypoints where ``heatmap - cost of the tag's distance to the reference tag`` is largest.

    The first cell wins a tie. What is asked for is known on the CPU, so that the device is never waited for. On the CPU
    :func:`aemm.ops.cell_search.search_blocks` finds the same without a look at every cell.

    Args:
        heatmaps: ``(K, h, w) float32`` of one image.
        tags: ``(T, L, h, w) float32``, T = K or 1.
        reference: ``(N, L) float32`` reference tag of each instance.
        absent: ``(N, K) bool``, what to look up, on the CPU wherever the maps are.
        cost: the distance 'rounded' to a whole number, as the references have it, or half of it 'squared'.

    Returns:
        ``(N, K, 2) int64`` cells x, y; -1 where nothing was asked.

    Reference:
        princeton-vl/pose-ae-train test.py, refine;
        HRNet/HigherHRNet-Human-Pose-Estimation lib/core/group.py, HeatmapParser.refine.
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
    width = heatmaps.shape[2]
    cells = torch.stack([index % width, torch.div(index, width, rounding_mode="floor")], -1)
    return torch.where(send(absent, heatmaps.device)[..., None], cells, -1)
