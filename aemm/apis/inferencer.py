"""Predict images, folders and videos with a trained model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config

from aemm.datasets import collate
from aemm.datasets.coco_pose import load_image
from aemm.engine import load_config, load_weights
from aemm.engine.show import file_name
from aemm.ops.masks import decode_masks
from aemm.registry import MODELS, TRANSFORMS
from aemm.skeletons import Skeleton
from aemm.structures import ImageId, Instances, Sample
from aemm.visualization import draw_masks, draw_pose, save_picture

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEO_ENDINGS = (".gif", ".mp4", ".avi", ".mov", ".mkv", ".webm")

Input = np.ndarray | str | Path


def read_frames(path: str | Path) -> Iterator[np.ndarray]:
    """The frames of a video or animation, ``(H, W, 3) uint8`` RGB, one after the other.

    Raises:
        ValueError: it holds no frame that can be decoded.
    """
    video = cv2.VideoCapture(str(path))
    try:
        more, frame = video.read()
        if not more:
            raise ValueError(
                f"{path} holds no frame that OpenCV can decode; convert it to mp4 or to a folder of images"
            )
        while more:
            yield np.ascontiguousarray(frame[..., ::-1])
            more, frame = video.read()
    finally:
        video.release()


def read_inputs(inputs: Input | Iterable[Input]) -> Iterator[tuple[ImageId, np.ndarray]]:
    """Identifier and image ``(H, W, 3) uint8`` RGB of everything there is to predict.

    An array goes by its number among the inputs, an image file by its path, and a frame by path and number.

    Args:
        inputs: an RGB array, the path of an image, of a video or of a folder of these, or several.

    Raises:
        FileNotFoundError: a path does not exist.
        ValueError: an array is no RGB image, a file is neither image nor video, or a folder holds none.
    """
    several = [inputs] if isinstance(inputs, np.ndarray | str | Path) else inputs
    for number, one in enumerate(several):
        if isinstance(one, np.ndarray):
            if one.ndim != 3 or one.shape[2] != 3 or one.dtype != np.uint8:
                raise ValueError(f"input {number} must be (H, W, 3) uint8 RGB, got {one.dtype}{one.shape}")
            yield number, one
        else:
            for path in _files(Path(one)):
                if path.suffix.lower() in IMAGE_ENDINGS:
                    yield str(path), load_image(str(path))
                else:
                    for place, frame in enumerate(read_frames(path)):
                        yield f"{path}#{place:06d}", frame


def _files(path: Path) -> list[Path]:
    """A file itself, or the images and videos of a folder in the order of their names."""
    known = (*IMAGE_ENDINGS, *VIDEO_ENDINGS)
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in known)
        if not found:
            raise ValueError(f"folder {path} holds no image or video, whose names end in one of {', '.join(known)}")
        return found
    if not path.is_file():
        raise FileNotFoundError(f"input {path} does not exist")
    if path.suffix.lower() not in known:
        raise ValueError(f"input {path} is no image or video; its name must end in one of {', '.join(known)}")
    return [path]


def to_plain(found: Instances) -> dict[str, Any]:
    """Instances as json takes them: size of the image, and of each instance score, keypoints, mask, label, track.

    Keypoints are ``[x, y, score]``; masks stay run-length encoded.
    """
    rows: list[dict[str, Any]] = [{"score": float(score)} for score in found.scores]
    for i, row in enumerate(rows):
        if found.keypoints is not None:
            scores = np.ones(len(found.keypoints[i])) if found.keypoint_scores is None else found.keypoint_scores[i]
            row["keypoints"] = np.column_stack([found.keypoints[i], scores]).astype(float).round(4).tolist()
        if found.masks is not None:
            row["mask"] = found.masks[i]
        if found.labels is not None:
            row["label"] = int(found.labels[i])
        if found.track_ids is not None:
            row["track_id"] = int(found.track_ids[i])
    height, width = found.image_size
    return {"image_id": found.image_id, "height": int(height), "width": int(width), "instances": rows}


class Inferencer:
    """A trained model, applied to images as its config's test data are.

    Args:
        config: path of the config, or a loaded one.
        checkpoint: path of the checkpoint; None keeps the weights that the model starts with.
        device: by default the first GPU, or the CPU where there is none.

    Attributes:
        model: in evaluation mode, on the device.
        skeleton: of the keypoints; None where the model finds none.

    Raises:
        FileNotFoundError: a file does not exist.
        CheckpointError: the checkpoint cannot be read safely, or was made by another model.

    Example::

        inferencer = Inferencer("configs/pose/hourglass4_coco_512.py", "newell.pth")
        for found in inferencer("holiday.jpg", out_dir="pictures"):
            print(found.keypoints)
    """

    def __init__(
        self, config: str | Path | Config, checkpoint: str | Path | None, device: str | torch.device | None = None
    ) -> None:
        cfg = config if isinstance(config, Config) else load_config(str(config))
        self.pipeline = [TRANSFORMS.build(step) for step in cfg.test_dataloader.dataset.get("pipeline", ())]
        self.model = MODELS.build(cfg.model)
        if checkpoint is not None:
            load_weights(self.model, checkpoint)
        self.model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
        self.skeleton: Skeleton | None = getattr(self.model.decoder, "skeleton", None)

    def __call__(self, inputs: Input | Iterable[Input], out_dir: str | Path | None = None) -> Iterator[Instances]:
        """What is in every image, one after the other as they are read.

        Args:
            inputs: see :func:`read_inputs`.
            out_dir: draw what is found over every image, into this folder.
        """
        for image_id, image in read_inputs(inputs):
            found = self.predict(image, image_id)
            if out_dir is not None:
                save_picture(Path(out_dir) / file_name(image_id), self.draw(image, found))
            yield found

    @torch.no_grad()
    def predict(self, image: np.ndarray, image_id: ImageId = 0) -> Instances:
        """The instances of one image ``(H, W, 3) uint8`` RGB, in its pixels."""
        sample: Any = Sample(image, image_id, image.shape[:2], original=image, skeleton=self.skeleton)
        for step in self.pipeline:
            sample = step(sample)
        return self.model.test_step(collate([sample]))[0]

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
