"""Drawn people as JPEG files as heavy as photographs, and what makes training samples of them without aemm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from timing import peer

from aemm.datasets import CocoPoseDataset, SyntheticPoseDataset

SIDE = 512  # of a sample, pixels
Call = Callable[[int], Any]


def write_photos(folder: Path, count: int, size: tuple[int, int] = (480, 640)) -> list[Path]:
    """Write a data set of JPEG files with as much detail as photographs have; their paths.

    Args:
        folder: gets ``annotations.json`` and ``images``.
        count: of images.
        size: height and width, pixels.
    """
    SyntheticPoseDataset(count, size).export_coco(str(folder))
    paths = sorted((folder / "images").iterdir())
    for path in paths:
        image = cv2.imread(str(path))
        noise = np.random.default_rng(0).normal(0, 12, image.shape)  # so that it weighs what a photograph does
        noisy = np.clip(image + cv2.GaussianBlur(noise, (3, 3), 1), 0, 255).astype(np.uint8)
        path.write_bytes(cv2.imencode(".jpg", noisy)[1].tobytes())  # content tells the kind, not the name
    return paths


def annotated(data: CocoPoseDataset, index: int) -> tuple[Path, dict[str, Any]]:
    """The file of an image, and what is known of its people, as mmpose's transforms name it."""
    entry, rows = data.file.images[index], data.file.rows(index)
    people: dict[str, Any] = dict(
        img_shape=entry.size,
        ori_shape=entry.size,
        bbox=data.file.boxes[rows],
        bbox_score=np.ones(rows.stop - rows.start, np.float32),
        keypoints=data.file.keypoints[rows].astype(np.float32),
        keypoints_visible=(data.file.visible[rows] > 0).astype(np.float32),
        area=data.file.area[rows].astype(np.float32),
        flip_indices=list(data.keypoint_set.flip_index),
        invalid_segs=[],
    )
    return Path(entry.source.folder.path, entry.file_name), people


def mmpose_sample(data: CocoPoseDataset, strides: tuple[int, ...] = (4,), packed: bool = False) -> Call | None:
    """A call that makes a sample by mmpose's transforms; None where mmpose is not there.

    Args:
        data: whose files it reads.
        strides: of the targets.
        packed: as tensors, as its loaders hand them on.
    """
    transforms, codecs = peer("mmpose.datasets.transforms"), peer("mmpose.codecs")
    if transforms is None or codecs is None:
        return None
    order = list(data.keypoint_set.grouping_order)
    encoders = [
        dict(
            type="AssociativeEmbedding",
            input_size=(SIDE, SIDE),
            heatmap_size=(SIDE // stride, SIDE // stride),
            sigma=2,
            decode_keypoint_order=order,
        )
        for stride in strides
    ]
    several = dict(encoder=encoders, multilevel=True) if len(strides) > 1 else dict(encoder=encoders[0])
    steps = [
        transforms.BottomupRandomAffine(input_size=(SIDE, SIDE)),
        transforms.RandomFlip(direction="horizontal", prob=0.5),
        transforms.GenerateTarget(**several),
        transforms.BottomupGetHeatmapMask(),
    ]
    if packed:
        steps.append(transforms.PackPoseInputs())

    def sample(index: int) -> Any:
        path, results = annotated(data, index)
        results |= dict(img=cv2.imread(str(path)), input_size=(SIDE, SIDE), id=index, img_id=index)
        for step in steps:
            results = step(results)
        return results

    return sample


def jitter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hue, saturation, brightness and contrast of ``(H, W, 3)`` from 0 to 1, changed one after the other."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = np.mod(hsv[..., 0] + rng.uniform(-0.2, 0.2) * 360 + 360, 360)
    hsv[..., 1] = np.clip(hsv[..., 1] * rng.uniform(0.5, 1.5), 0, 1)
    image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) + np.float32(rng.uniform(-0.3, 0.3))
    grey = image.mean(2, keepdims=True)
    return np.clip((image - grey) * np.float32(rng.uniform(0.5, 1.5)) + grey, 0, 1)


def plain_sample(data: CocoPoseDataset) -> Call:
    """A call that takes the steps of the authors' loader one by one, in NumPy and OpenCV, written down plainly.

    Its order of steps is that of princeton-vl/pose-ae-train, data/coco_pose/dp.py: warp of image and mask in float,
    flip, colours in float, one Gaussian after the other, and the places of tags keypoint by keypoint.
    """
    rng, cells = np.random.default_rng(0), SIDE // 4
    gauss = np.exp(-((np.arange(15) - 7)[:, None] ** 2 + (np.arange(15) - 7) ** 2) / (2 * 2**2)).astype(np.float32)

    def sample(index: int) -> Any:
        path, people = annotated(data, index)
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        height, width = image.shape[:2]
        zoom = SIDE / max(height, width) / rng.uniform(0.75, 1.25)
        warp = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-30, 30), zoom)
        warp[:, 2] += SIDE / 2 - np.array([width, height]) / 2
        counts = np.ones((height, width), np.float32)
        image = cv2.warpAffine(image, warp, (SIDE, SIDE)).astype(np.float32) / 255
        small = warp * (cells / SIDE)
        counts = (cv2.warpAffine((255 * counts).astype(np.uint8), small, (cells, cells)) / 255 > 0.5).astype(np.float32)
        points = cv2.transform(people["keypoints"], small)
        visible = people["keypoints_visible"]
        if rng.random() < 0.5:
            image, counts, points[..., 0] = image[:, ::-1], counts[:, ::-1], cells - points[..., 0]
            points, visible = points[:, people["flip_indices"]], visible[:, people["flip_indices"]]
        image = jitter(np.ascontiguousarray(image), rng)
        maps = np.zeros((points.shape[1], cells + 14, cells + 14), np.float32)
        tags = np.zeros((30, points.shape[1], 2), np.int64)
        for person, (row, seen) in enumerate(zip(points, visible, strict=True)):
            for k, (x, y) in enumerate(row.astype(int)):
                if seen[k] > 0 and 0 <= x < cells and 0 <= y < cells:
                    window = maps[k, y : y + 15, x : x + 15]
                    np.maximum(window, gauss, out=window)
                    tags[person, k] = (k * cells + y) * cells + x, 1
        return image, counts, tags, np.ascontiguousarray(maps[:, 7:-7, 7:-7])

    return sample
