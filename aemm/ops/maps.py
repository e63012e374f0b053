"""Views of the same image brought together: mirrored maps turned back, stages and scales merged."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch

from aemm.geometry import image_cells
from aemm.skeletons import Skeleton
from aemm.structures import Batch, Maps


def check_maps(maps: Maps, skeleton: Skeleton, count: int) -> None:
    """Raise unless maps have a channel for each keypoint and are of a batch of so many images.

    Args:
        maps: heatmaps ``(B, K, h, w)``.
        skeleton: of K keypoints.
        count: B, images of the batch.

    Raises:
        ValueError: they do not.
    """
    channels = maps.heatmaps.shape[1]
    if channels != len(skeleton):
        raise ValueError(
            f"heatmaps must have {len(skeleton)} channels, one for each keypoint of skeleton {skeleton.name!r}, got "
            f"{channels}; do decoder and head name the same skeleton?"
        )
    if len(maps.heatmaps) != count:
        raise ValueError(f"heatmaps must be of the batch's {count} images, got {len(maps.heatmaps)}")


def hflip(maps: Maps, flip_index: Sequence[int]) -> Maps:
    """Maps of the mirrored image: columns reversed, left and right channels swapped.

    Tag maps that all keypoints share are only reversed.

    Args:
        maps: heatmaps ``(B, K, h, w)`` and tags.
        flip_index: K channels; ``flip_index[k]`` is the keypoint that k becomes in a mirror.

    Returns:
        New maps; applied twice it gives back the first.

    Raises:
        ValueError: ``flip_index`` has not one entry for each heatmap.
    """
    channels = maps.heatmaps.shape[1]
    if len(flip_index) != channels:
        raise ValueError(
            f"flip_index must have one entry for each of the {channels} heatmaps, got {len(flip_index)}; "
            "does the skeleton belong to this model?"
        )
    heatmaps = _reorder(maps.heatmaps.flip(-1), flip_index)
    if maps.tags is None:
        return Maps(heatmaps)
    tags = maps.tags.flip(-1)
    return Maps(heatmaps, tags if tags.shape[1] == 1 else _reorder(tags, flip_index))


def _reorder(maps: torch.Tensor, order: Sequence[int]) -> torch.Tensor:
    """Channels ``(B, C, ...)`` in another order, by one copy; an index would have to travel to the device first."""
    planes = maps.unbind(1)
    return torch.stack([planes[channel] for channel in order], 1)


def merge_maps(views: Sequence[Maps], size: tuple[int, int], align_corners: bool = False) -> Maps:
    """One set of maps from several views: heatmaps are averaged, tags concatenated along L.

    Args:
        views: stages, mirrored images turned back, or scales; those without tags add only heat.
        size: ``(h, w)`` in cells to which every view is brought first.
        align_corners: as 'udp' pixels do.

    Returns:
        Maps of ``size``; tags None if no view has any.

    Raises:
        ValueError: there is no view.
    """
    if not views:
        raise ValueError("views must hold at least one Maps, got none")
    resized = [view.resize(size, align_corners) for view in views]
    tags = [view.tags for view in resized if view.tags is not None]
    if len(resized) == 1:
        return resized[0]
    total = reduce(torch.add, [view.heatmaps for view in resized])
    return Maps(total / len(resized), torch.cat(tags, dim=2) if tags else None)


def clear_padding(heatmaps: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Heatmaps without heat where the network saw the surroundings of an image, which it never learnt to leave empty.

    Args:
        heatmaps: ``(B, C, h, w)``.
        batch: of these images; warps at test time turn no image, so that each fills an upright box.

    Returns:
        The same tensor where there is nothing to clear, else a copy.
    """
    height, width = heatmaps.shape[2:]
    copy = heatmaps
    for b, image_size in enumerate(batch.image_sizes):
        rows, columns = image_cells(image_size, batch.warp[b], batch.input_size, (height, width), batch.convention)
        if rows.start or columns.start or columns.stop < width or rows.stop < height:
            copy = heatmaps.clone() if copy is heatmaps else copy
            inside = torch.zeros(height, width, dtype=torch.bool, device=heatmaps.device)
            inside[rows, columns] = True
            copy[b].masked_fill_(~inside, 0)
    return copy
