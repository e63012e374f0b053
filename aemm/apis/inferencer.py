"""A trained model, applied to images."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from aemm.apis.account import Account
from aemm.apis.inputs import Input, Shot, find_sources
from aemm.apis.outputs import PictureKind, Pictures
from aemm.apis.pipeline import Behind, Pipeline, gather_alike, put_in_order
from aemm.datasets import collate
from aemm.datasets.base import transformed
from aemm.engine import (
    UNTHINNED,
    Speed,
    Thinning,
    check_device,
    check_finite,
    load_config,
    load_weights,
    prepare_model,
    set_views,
)
from aemm.engine.published import PUBLISHED, weights_or_published
from aemm.ops.masks import decode_masks
from aemm.records import DatasetInfo, check_choice
from aemm.registry import MODELS, TRANSFORMS
from aemm.skeletons import Skeleton
from aemm.structures import Batch, ImageId, Instances, Maps, Sample
from aemm.visualization import draw_masks, draw_pose

_GATHERED = 4  # batches whose images are kept at most until those of one size fill one
_READY = 4  # pictures that wait to be written


@dataclass
class _Job:
    """An image on its way through the steps."""

    number: int
    shot: Shot
    sample: Sample
    found: Instances | None = None


class Inferencer:
    """A trained model, applied to images as its config's test data are.

    Args:
        config: path of the config, name of a recipe, or a loaded config.
        checkpoint: path of the checkpoint; ``"published"``, the default, downloads on first use what was published for
            the recipe; None keeps the weights that the model starts with.
        device: by default the first GPU, or the CPU where there is none.
        scales: at which every image is seen, such as (2, 1, 0.5); by default those of the config.
        flip: whether its mirror image is seen, too; by default as the config says.
        batch_size: images of one size that go through the network together.
        half: run the network in 16 bits, see :class:`aemm.engine.Speed`, as for the next three.
        compile: compile it; or options of ``torch.compile``.
        fuse: fold its batch norms into its convolutions.
        channels_last: images and weights as NHWC in memory; by default as the config says.
        thinning: what leaves the result, see :class:`aemm.engine.Thinning`; None = nothing does.
        pictures_as: what drawings are written as, see :class:`aemm.apis.outputs.Pictures`.
        overlap: read, run the network, group, draw and write at the same time, each in threads of its own.

    Attributes:
        model: in evaluation mode, on the device.
        skeleton: of the keypoints; None where the model finds none.
        info: the same with classes, as COCO files need it.

    Raises:
        FileNotFoundError: a file does not exist.
        CheckpointError: the checkpoint cannot be read safely, or was made by another model.
        ConfigError: the config has faults, the model cannot be tested at these scales or mirrored, or a switch cannot
            do what it says.
        ValueError: device, thinning or the size of batches cannot be.
        NonFiniteError: its weights are NaN or infinite.

    Example::

        inferencer = Inferencer("higherhrnet_w32_coco_512")
        for found in inferencer("holiday.jpg", out_dir="pictures"):
            print(found.keypoints)
    """

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path | None = PUBLISHED,
        device: str | torch.device | None = None,
        scales: Sequence[float] | None = None,
        flip: bool | None = None,
        batch_size: int = 1,
        half: bool = False,
        compile: bool | dict[str, Any] = False,
        fuse: bool = False,
        channels_last: bool | None = None,
        thinning: Thinning | None = Thinning(),  # noqa: B008 - it cannot be changed
        overlap: bool = True,
        pictures_as: PictureKind = "png",
    ) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ValueError(f"batch_size must be at least 1 image, got {batch_size!r}")
        check_device(None if device is None else str(device), "device")
        if not isinstance(thinning, Thinning | None):
            raise ValueError(f"thinning must be a Thinning, such as Thinning(nms='soft'), or None, got {thinning!r}")
        speed = Speed(half, compile, fuse, channels_last)
        cfg = deepcopy(config) if isinstance(config, Config) else load_config(str(config), trains=False)
        set_views(cfg, scales, flip)
        self.batch_size, self.overlap = int(batch_size), overlap
        self.pictures_as = pictures_as
        check_choice("pictures_as", pictures_as, PictureKind)
        self.pipeline = [TRANSFORMS.build(step) for step in cfg.test_dataloader.dataset.get("pipeline", ())]
        self.model = MODELS.build(cfg.model)
        if checkpoint is not None:
            load_weights(self.model, weights_or_published(str(cfg.filename or "this config"), str(checkpoint)))
        check_finite(self.model, str(checkpoint or "the model"))
        self.model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
        prepare_model(self.model, speed, thinning or UNTHINNED)
        self.skeleton: Skeleton | None = getattr(self.model.decoder, "skeleton", None)
        count = getattr(self.model.decoder, "num_classes", 1)
        names = ("person",) if self.skeleton else tuple(f"class {label}" for label in range(count))
        self.info = DatasetInfo("predictions", self.skeleton, names, tuple(range(1, len(names) + 1)))
        self._turn = threading.Lock()

    def __call__(
        self,
        inputs: Input | Iterable[Input],
        out_dir: str | Path | None = None,
        threshold: float = 0.1,
        account: Account | None = None,
    ) -> Generator[Instances, None, None]:
        """What is in every image, one after the other in the order of the inputs.

        Postprocessors begin anew with every call; what they remember goes from image to image. While a result is
        looked at, later images are read and the network sees them.

        Args:
            inputs: see :func:`aemm.apis.inputs.find_sources`.
            out_dir: draw what is found into this folder, see :class:`aemm.apis.outputs.Pictures`. All pictures are
                there when the last result has been taken.
            threshold: instances and keypoints below it are not drawn.
            account: lists what cannot be read; None = the first such input raises its error.

        Raises:
            FileNotFoundError: a path does not exist.
            UnreadableImageError: a file is damaged.
            ValueError: an array is no RGB image, a file is neither image nor video, or a folder holds none.
        """
        self.model.reset()
        account = account or Account(strict=True)
        with ExitStack() as stack:
            write = None
            if out_dir is not None:
                pictures = Pictures(out_dir, self.pictures_as)
                stack.callback(pictures.close)
                write = Behind(pictures.write, _READY, self.overlap)
                stack.callback(write.close)
            steps = stack.enter_context(Pipeline(self.overlap))
            jobs = self._read(inputs, account, out_dir)
            for job, picture in self._steps(steps, jobs, None if write is None else threshold):
                shot, found = job.shot, job.found
                if write is not None:
                    write(shot.source, shot.image_id, picture, shot.number)
                assert found is not None
                yield found
                shot.source.count()

    def _read(self, inputs: Input | Iterable[Input], account: Account, skip: str | Path | None) -> Iterator[_Job]:
        shots = chain.from_iterable(source.shots() for source in find_sources(inputs, account, skip=skip))
        for number, shot in enumerate(shots):
            yield _Job(number, shot, self._prepare(shot.image, shot.image_id))

    def _steps(
        self, steps: Pipeline, jobs: Iterable[_Job], threshold: float | None
    ) -> Iterator[tuple[_Job, np.ndarray | None]]:
        """Jobs that are done, and their pictures if there is a threshold for them."""
        read = steps.ahead(jobs, self.batch_size)
        # two workers: while the network has the images of one, the other groups
        batches = gather_alike(read, _size, self.batch_size, _GATHERED * self.batch_size)
        seen = steps.in_order(self._look, batches, workers=2)
        done = put_in_order(chain.from_iterable(seen), lambda job: job.number)
        return steps.ahead(self._finish(done, threshold), 1)

    def _look(self, jobs: list[_Job]) -> list[_Job]:
        for job, found in zip(jobs, self.detect([job.sample for job in jobs]), strict=True):
            job.found = found
        return jobs

    def _finish(self, jobs: Iterable[_Job], threshold: float | None) -> Iterator[tuple[_Job, np.ndarray | None]]:
        for job in jobs:
            assert job.found is not None
            (job.found,) = self.model.postprocess([job.found], [job.shot.image])
            yield job, None if threshold is None else self.draw(job.shot.image, job.found, threshold)

    @torch.no_grad()
    def detect(self, samples: Sequence[Sample]) -> list[Instances]:
        """What is in images of one size, before the postprocessors; several threads may call it.

        Args:
            samples: after the pipeline.
        """
        batch = self.model.data_preprocessor(collate(samples))["batch"]
        return self.model.tta.predict(self._network, self.model.decoder, batch)

    def _network(self, image: Tensor) -> Maps:
        with self._turn:
            return self.model.network(image)

    def _prepare(self, image: np.ndarray, image_id: ImageId) -> Sample:
        sample = Sample(image, image_id, image.shape[:2], original=image, skeleton=self.skeleton)
        return transformed(sample, self.pipeline)

    def predict(self, image: np.ndarray, image_id: ImageId = 0) -> Instances:
        """The instances of one image ``(H, W, 3) uint8`` RGB, in its pixels."""
        return self.model.postprocess(self.detect([self._prepare(image, image_id)]), [image])[0]

    def batch(self, image: np.ndarray, image_id: ImageId = 0) -> Batch:
        """One image ``(H, W, 3) uint8`` RGB as the test data bring it to the model."""
        return collate([self._prepare(image, image_id)])

    def draw(self, image: np.ndarray, found: Instances, threshold: float = 0.1) -> np.ndarray:
        """Masks and poses over the image that they were found in.

        Args:
            image: ``(H, W, 3) uint8`` RGB.
            found: in it.
            threshold: instances and keypoints below it are left out.
        """
        picture, found = image.copy(), found[found.scores >= threshold]
        if found.masks is not None:
            picture = draw_masks(picture, decode_masks(found.masks, found.image_size))
        if found.keypoints is not None and self.skeleton is not None:
            picture = draw_pose(picture, found, self.skeleton, threshold)
        return picture


def _size(job: _Job) -> tuple[object, ...]:
    """What the images of a batch have in common."""
    sample = job.sample
    shapes = [view.shape for view in (sample.image, *sample.views)]
    return (*shapes, sample.scales, sample.convention)
