"""Pictures of a training while it goes on: fixed images of the validation, and the first batch with its targets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from aemm.engine.show import look_at
from aemm.formats import picture_name
from aemm.registry import HOOKS
from aemm.reports import choose_measure
from aemm.reports.pictures import draw_layers
from aemm.structures import Batch
from aemm.visualization import draw_of_batch, side_by_side


@HOOKS.register_module()
class VisualizationHook(Hook):
    """Draw how a network learns to see the same images, and once what it is taught.

    After a validation, each of some fixed images becomes a row of pictures: what was found, what is true, heatmaps
    and tags. Before the first step, so do images of the first batch, with the targets that the losses see. They go
    where the visualizer's backends keep them: files, TensorBoard, Weights & Biases.

    Args:
        images: how many images of the validation, spread over the set; or their places in it.
        interval: validations from one drawing to the next.
        first_batch: how many images of the first batch; 0 = none.

    Raises:
        ValueError: an argument is out of range.
    """

    priority = "LOW"

    def __init__(self, images: int | Sequence[int] = 4, interval: int = 1, first_batch: int = 4) -> None:
        places: list[int] = [images] if isinstance(images, int) else list(images) if _is_series(images) else [-1]
        whole = all(type(number) is int for number in (*places, interval, first_batch))
        if not whole or interval < 1 or first_batch < 0 or min(places, default=0) < 0:
            raise ValueError(
                "images (a number, or a list of places) and first_batch must be whole numbers from 0, interval from "
                f"1, got {images!r}, {first_batch!r} and {interval!r}"
            )
        self.images, self.interval, self.first_batch = images, interval, first_batch
        self._validations = 0
        self._drawn = False

    def before_train(self, runner: Runner) -> None:
        """See that there are such images.

        Raises:
            ValueError: there are not.
        """
        if runner.val_loop is not None:
            self._places(len(runner.val_dataloader.dataset))

    @master_only
    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Batch | None = None) -> None:
        """Draw images of the first batch."""
        if self._drawn or data_batch is None:
            return
        self._drawn = True
        for i in range(min(self.first_batch, len(data_batch))):
            picture = draw_of_batch(data_batch, i)
            runner.visualizer.add_image(f"first_batch_{i}", picture, runner.iter)

    @master_only
    @torch.no_grad()
    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Draw the fixed images."""
        self._validations += 1
        if (self._validations - 1) % self.interval:
            return
        loader = runner.val_dataloader
        measure = choose_measure(runner.val_evaluator.metrics, loader.dataset.metainfo)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for index in self._places(len(loader.dataset)):
            batch = loader.collate_fn([loader.dataset[index]])
            pair = batch.truths[0], model.predict(model.data_preprocessor(batch)["batch"])[0]
            layers = draw_layers(look_at(model, batch), measure.prepare([pair])[0], measure)
            name = picture_name(batch.image_ids[0], "")
            picture = side_by_side(list(layers.values()), list(layers))
            runner.visualizer.add_image(f"validation_{name}", picture, runner.iter)

    def _places(self, count: int) -> list[int]:
        """Which of ``count`` images are drawn.

        Raises:
            ValueError: there is no such image.
        """
        if isinstance(self.images, int):
            return np.unique(np.linspace(0, count - 1, min(self.images, count)).astype(int)).tolist()
        if outside := [place for place in self.images if place >= count]:
            raise ValueError(
                f"VisualizationHook.images: the validation has {count} images, so there is no {outside[0]}"
            )
        return list(self.images)


def _is_series(value: object) -> bool:
    """Whether a value of a config is a list of others."""
    return isinstance(value, Sequence) and not isinstance(value, str)
