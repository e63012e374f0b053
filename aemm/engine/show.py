"""Pictures of what a model finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from aemm.formats import picture_name
from aemm.ops.image import warp_image
from aemm.registry import HOOKS
from aemm.reports import View
from aemm.structures import Batch, Instances, Maps
from aemm.visualization import SeenMaps, draw_result, save_picture


@HOOKS.register_module()
class ShowHook(Hook):
    """While testing, draw the instances over each image, and its heatmaps and tags beside them.

    Args:
        folder: where the pictures go, one for each image, named by :func:`aemm.formats.picture_name`.
        limit: draw so many images at most, over all processes; each costs a second pass through the network.
    """

    def __init__(self, folder: str, limit: int = 20) -> None:
        self.folder, self.limit = Path(folder), limit
        self._drawn = 0

    @torch.no_grad()
    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Batch | None = None,
        outputs: Sequence[Instances] | None = None,
    ) -> None:
        """Draw the images of a batch."""
        rank, processes = get_dist_info()
        share = len(range(rank, self.limit, processes))  # of this process
        if data_batch is None or outputs is None or self._drawn >= share:
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        maps = model.maps(model.data_preprocessor(data_batch)["batch"])
        skeleton = runner.test_dataloader.dataset.metainfo.skeleton
        for i, found in enumerate(outputs[: share - self._drawn]):
            warp = data_batch.map_warp(i, maps.size)
            original = original_image(data_batch, i, found.image_size)
            picture = draw_result(original, found, skeleton, SeenMaps(maps, i, warp), data_batch.convention)
            save_picture(self.folder / picture_name(found.image_id), picture)
            self._drawn += 1

    def after_test(self, runner: Runner) -> None:
        """Say where the pictures are."""
        runner.logger.info(f"pictures of {self._drawn} images are in {self.folder}")


def original_image(batch: Batch, index: int, size: tuple[int, int]) -> np.ndarray:
    """An image ``(H, W, 3) uint8`` in its own pixels, as far as the network is shown it.

    Args:
        batch: as a loader makes it, before the preprocessor.
        index: which image.
        size: ``(H, W)`` of the original.
    """
    image = np.ascontiguousarray(batch.images[0][index].permute(1, 2, 0).numpy())
    back = np.linalg.inv(batch.warp[index])
    return warp_image(image, back, size, convention=batch.convention)


@torch.no_grad()
def look_at(model: Any, batch: Batch) -> View:
    """What a network says of the first image of a batch.

    Args:
        model: in test mode, on its device.
        batch: as a loader makes it, before the preprocessor.
    """
    maps = model.maps(model.data_preprocessor(batch)["batch"]).float()
    return View(
        image=original_image(batch, 0, batch.image_sizes[0]),
        maps=Maps(maps.heatmaps[:1].cpu(), None if maps.tags is None else maps.tags[:1].cpu()),
        warp=batch.map_warp(0, maps.size),
        convention=batch.convention,
    )
