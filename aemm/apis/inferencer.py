"""A trained model, applied to images."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from aemm.apis.account import Account
from aemm.apis.inputs import Input, find_sources
from aemm.apis.outputs import Pictures
from aemm.datasets import collate
from aemm.engine import check_finite, load_config, load_weights, set_views
from aemm.engine.published import PUBLISHED, weights_or_published
from aemm.ops.masks import decode_masks
from aemm.records import DatasetInfo
from aemm.registry import MODELS, TRANSFORMS
from aemm.skeletons import Skeleton
from aemm.structures import Batch, ImageId, Instances, Sample
from aemm.visualization import draw_masks, draw_pose


class Inferencer:
    """A trained model, applied to images as its config's test data are.

    Args:
        config: path of the config, name of a recipe, or a loaded config.
        checkpoint: path of the checkpoint; ``"published"``, the default, downloads on first use what was published for
            the recipe; None keeps the weights that the model starts with.
        device: by default the first GPU, or the CPU where there is none.
        scales: at which every image is seen, such as (2, 1, 0.5); by default those of the config.
        flip: whether its mirror image is seen, too; by default as the config says.

    Attributes:
        model: in evaluation mode, on the device.
        skeleton: of the keypoints; None where the model finds none.
        info: the same with classes, as COCO files need it.

    Raises:
        FileNotFoundError: a file does not exist.
        CheckpointError: the checkpoint cannot be read safely, or was made by another model.
        ConfigError: the config has faults, or the model cannot be tested at these scales or mirrored.
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
    ) -> None:
        cfg = deepcopy(config) if isinstance(config, Config) else load_config(str(config))
        set_views(cfg, scales, flip)
        self.pipeline = [TRANSFORMS.build(step) for step in cfg.test_dataloader.dataset.get("pipeline", ())]
        self.model = MODELS.build(cfg.model)
        if checkpoint is not None:
            load_weights(self.model, weights_or_published(str(cfg.filename or "this config"), str(checkpoint)))
        check_finite(self.model, str(checkpoint or "the model"))
        self.model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
        self.skeleton: Skeleton | None = getattr(self.model.decoder, "skeleton", None)
        count = getattr(self.model.decoder, "num_classes", 1)
        names = ("person",) if self.skeleton else tuple(f"class {label}" for label in range(count))
        self.info = DatasetInfo("predictions", self.skeleton, names, tuple(range(1, len(names) + 1)))

    def __call__(
        self,
        inputs: Input | Iterable[Input],
        out_dir: str | Path | None = None,
        threshold: float = 0.1,
        account: Account | None = None,
    ) -> Generator[Instances, None, None]:
        """What is in every image, one after the other as they are read.

        Postprocessors begin anew with every call; what they remember goes from image to image.

        Args:
            inputs: see :func:`aemm.apis.inputs.find_sources`.
            out_dir: draw what is found into this folder, see :class:`aemm.apis.outputs.Pictures`.
            threshold: keypoints below it are not drawn.
            account: lists what cannot be read; None = the first such input raises its error.

        Raises:
            FileNotFoundError: a path does not exist.
            UnreadableImageError: a file is damaged.
            ValueError: an array is no RGB image, a file is neither image nor video, or a folder holds none.
        """
        self.model.reset()
        pictures = None if out_dir is None else Pictures(out_dir)
        try:
            for source in find_sources(inputs, account or Account(strict=True), skip=out_dir):
                for image_id, image in source:
                    found = self.predict(image, image_id)
                    if pictures is not None:
                        pictures.write(source, image_id, self.draw(image, found, threshold))
                    yield found
        finally:
            if pictures is not None:
                pictures.close()

    @torch.no_grad()
    def predict(self, image: np.ndarray, image_id: ImageId = 0) -> Instances:
        """The instances of one image ``(H, W, 3) uint8`` RGB, in its pixels."""
        return self.model.test_step(self.batch(image, image_id))[0]

    def batch(self, image: np.ndarray, image_id: ImageId = 0) -> Batch:
        """One image ``(H, W, 3) uint8`` RGB as the test data bring it to the model."""
        sample: Any = Sample(image, image_id, image.shape[:2], original=image, skeleton=self.skeleton)
        for step in self.pipeline:
            sample = step(sample)
        return collate([sample])

    def draw(self, image: np.ndarray, found: Instances, threshold: float = 0.1) -> np.ndarray:
        """Masks and poses over the image that they were found in.

        Args:
            image: ``(H, W, 3) uint8`` RGB.
            found: in it.
            threshold: keypoints below it are left out.
        """
        picture = image.copy()
        if found.masks is not None:
            picture = draw_masks(picture, decode_masks(found.masks, found.image_size))
        if found.keypoints is not None and self.skeleton is not None:
            picture = draw_pose(picture, found, self.skeleton, threshold)
        return picture
