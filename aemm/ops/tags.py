"""Tags of annotated locations, and the reference tag of an instance.

Letters: B batch, N instances, P locations per instance, T tag channels, L tag dimensions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def gather_tags(tags: Tensor, tag_index: Tensor) -> tuple[Tensor, Tensor]:
    """Tags at the annotated locations of every instance.

    Args:
        tags: ``(B, T, L, h, w)``.
        tag_index: ``(B, N, P) int64`` flat into ``(T, h, w)``, -1 = absent.

    Returns:
        ``(B, N, P, L) float32`` tags, 0 where absent, and ``(B, N, P) bool`` which are present.
    """
    dims, cells = tags.shape[2], tags.shape[3] * tags.shape[4]
    present = tag_index >= 0
    index = tag_index.clamp(min=0)
    first = index.div(cells, rounding_mode="floor") * (dims * cells) + index % cells
    steps = torch.arange(dims, device=tags.device) * cells
    at = first[..., None] + steps  # (B, N, P, L), flat into (T, L, h, w)
    found = tags.flatten(1).gather(1, at.flatten(1)).view(at.shape).float()
    return found * present[..., None], present


def add_coordinates(tags: Tensor, scale: float) -> Tensor:
    """Semi-convolutional tags: the place of each cell, x and y, added to the first two dimensions.

    A convolution gives equal tags to equal-looking objects, wherever they stand. What it has to predict
    for these tags is the way from each cell to a point of its object.

    Args:
        tags: ``(B, T, L, h, w)``, L >= 2.
        scale: how far apart the ends of the longer side of the map lie, in units of tags.

    Returns:
        ``(B, T, L, h, w) float32``: under autocast bf16 would be off by more than two cells at 512.

    Reference: Novotny et al., Semi-convolutional operators for instance segmentation (ECCV 2018).
    """
    height, width = tags.shape[-2:]
    # within a trace sizes are tensors, and Python's max would keep which of them was larger
    longest = torch.maximum(height, width) if isinstance(height, Tensor) else max(height, width)
    step = scale / longest
    x = (torch.arange(width, device=tags.device, dtype=torch.float32) + 0.5 - width / 2) * step
    y = (torch.arange(height, device=tags.device, dtype=torch.float32) + 0.5 - height / 2) * step
    place = torch.stack([x.expand(height, width), y[:, None].expand(height, width)])  # (2, h, w)
    return tags.float() + F.pad(place, (0, 0, 0, 0, 0, tags.shape[2] - 2))


def reference_tags(found: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Mean tag of every instance.

    Args:
        found: ``(B, N, P, L)`` from :func:`gather_tags`.
        present: ``(B, N, P)``.

    Returns:
        ``(B, N, L)`` means, 0 for an instance without a location, and ``(B, N) bool`` which have one.
    """
    count = present.sum(2)
    return found.sum(2) / count.clamp(min=1)[..., None], count > 0


@torch.no_grad()
def tag_spread(tags: Tensor, tag_index: Tensor) -> Tensor:
    """How far the reference tags of one image lie apart: root mean square distance from their mean.

    Near 0 all instances share a tag, and grouping has collapsed. No value is looked at on the way, so that a
    training step does not wait for the device.

    Args:
        tags: ``(B, T, L, h, w)``.
        tag_index: ``(B, N, P)``.

    Returns:
        A scalar, the mean over the images with two instances or more; NaN if there is no such image.
    """
    mean, valid = reference_tags(*gather_tags(tags, tag_index))
    count = valid.sum(1)
    crowded = count > 1
    weight = valid[..., None] / count.clamp(min=1)[:, None, None]
    variance = ((mean - (mean * weight).sum(1, keepdim=True)).square() * weight).sum((1, 2))
    return (variance.sqrt() * crowded).sum() / crowded.sum()
