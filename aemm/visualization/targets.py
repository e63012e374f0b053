"""What a network is trained towards, drawn over the image that it is trained with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from aemm.geometry import PixelConvention, apply_warp, map_warp
from aemm.structures import Batch, Maps, Sample, Targets
from aemm.visualization.draw import draw_heatmaps, draw_truth, side_by_side
from aemm.visualization.palette import instance_color

_LOOKED_AWAY = 3  # by which a pixel is darkened that the loss does not look at


def draw_sample(sample: Sample) -> np.ndarray:
    """A transformed sample: what is known of it, and beside it its targets, see :func:`target_panels`.

    Args:
        sample: behind its target transform.

    Raises:
        ValueError: it has no targets.
    """
    if not sample.targets:
        raise ValueError(f"image {sample.image_id} has no targets; the pipeline must end with a target transform")
    panels = {f"image {sample.image_id}": draw_truth(sample)}
    panels |= target_panels(sample.image, sample.targets, sample.convention)
    return side_by_side(list(panels.values()), list(panels))


def draw_of_batch(batch: Batch, index: int) -> np.ndarray:
    """An image of a training batch as the network sees it, and beside it its targets, see :func:`target_panels`.

    Args:
        batch: as a loader makes it.
        index: which image.
    """
    image = np.ascontiguousarray(batch.images[0][index].permute(1, 2, 0).numpy())
    targets = [target.dense() for target in batch.targets]
    own = [
        Targets(t.need_heatmaps()[index], t.weight[index], None if t.tag_index is None else t.tag_index[index])
        for t in targets
    ]
    panels = {f"image {batch.image_ids[index]}": image, **target_panels(image, own, batch.convention)}
    return side_by_side(list(panels.values()), list(panels))


def target_panels(image: np.ndarray, targets: Sequence[Targets], convention: PixelConvention) -> dict[str, np.ndarray]:
    """For each stride heatmaps, dark where no loss looks, and the places of tags in a colour for each instance.

    Args:
        image: ``(H, W, 3) uint8`` RGB, as the network sees it.
        targets: of this image.
        convention: of the pixels.

    Returns:
        Pictures of the image's size by their captions.
    """
    panels = {}
    for target in targets:
        dense = target.dense()
        size, warp = f"{dense.size[1]} x {dense.size[0]}", _to_pixels(dense.size, image.shape[:2], convention)
        heat = draw_heatmaps(image, Maps(dense.need_heatmaps()[None]), 0, warp)
        panels[f"heatmaps {size}"] = _darkened(heat, dense, warp)
        if dense.tag_index is not None:
            panels[f"places of tags {size}"] = _tag_places(image, dense.tag_index, dense.size, warp)
    return panels


def stack(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures below each other, the narrower ones filled up with black."""
    width = max(picture.shape[1] for picture in pictures)
    return np.concatenate([np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0))) for p in pictures])


def _to_pixels(cells: tuple[int, int], pixels: tuple[int, ...], convention: PixelConvention) -> np.ndarray:
    return map_warp((pixels[0], pixels[1]), cells, convention)


def _cell_of(shape: tuple[int, ...], size: tuple[int, int], warp: np.ndarray) -> np.ndarray:
    """The flat cell under every pixel ``(H, W)``."""
    grid = np.stack(np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5), -1).reshape(-1, 2)
    place = np.floor(apply_warp(grid, np.linalg.inv(warp))).astype(int)
    place = np.clip(place, 0, [size[1] - 1, size[0] - 1])
    return (place[:, 1] * size[1] + place[:, 0]).reshape(shape[:2])


def _darkened(picture: np.ndarray, targets: Targets, warp: np.ndarray) -> np.ndarray:
    """The picture, darker where the loss looks away."""
    away = targets.weight.numpy().ravel()[_cell_of(picture.shape, targets.size, warp)] == 0
    picture = picture.copy()
    picture[away] //= _LOOKED_AWAY
    return picture


def _tag_places(image: np.ndarray, tag_index: Tensor, size: tuple[int, int], warp: np.ndarray) -> np.ndarray:
    """The image in grey, with the cells whose tags belong to an instance in its colour."""
    picture = np.repeat(image.mean(2, keepdims=True) / 2, 3, 2).astype(np.uint8)
    cells = size[0] * size[1]
    colors = np.zeros((cells, 3), np.uint8)
    taken = np.zeros(cells, bool)
    for n, places in enumerate(tag_index.numpy()):
        own = np.unique(places[places >= 0] % cells)
        colors[own], taken[own] = instance_color(n), True
    at = _cell_of(picture.shape, size, warp)
    return np.where(taken[at][..., None], colors[at], picture)
