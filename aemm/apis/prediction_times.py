"""Where the time of a prediction goes: from the file of an image to the drawn picture, one step after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config

from aemm.apis.account import Account
from aemm.apis.inferencer import Inferencer
from aemm.apis.inputs import Input, Shot, find_sources
from aemm.apis.outputs import Pictures
from aemm.engine import require
from aemm.engine.times import Times
from aemm.engine.training_times import parts_of
from aemm.registry import DATASETS
from aemm.structures import Batch, Instances, Maps

_QUALITY = 95  # of the JPEG files in place of a data set's images


class _Watched:
    """A decoder whose calls are counted."""

    def __init__(self, decoder: Any, times: Times) -> None:
        self.decoder, self.times = decoder, times

    def __call__(self, maps: Maps, batch: Batch) -> list[Instances]:
        """Decode."""
        with self.times.of("decode"):
            return self.decoder(maps, batch)

    def merge(self, views: Sequence[Sequence[Instances]]) -> list[Instances]:
        """Merge what was found at several scales."""
        with self.times.of("decode"):
            return self.decoder.merge(views)


def measure_prediction(inferencer: Inferencer, inputs: Sequence[Input], images: int) -> dict[str, float]:
    """Predict images one after the other, and draw and write each.

    Args:
        inferencer: its pipeline is counted from now on.
        inputs: see :func:`aemm.apis.inputs.find_sources`; gone through again where they hold fewer than ``images``.
        images: how many are counted, beside the first one, which takes longer.

    Returns:
        Seconds of each step of an image, the median.

    Raises:
        FileNotFoundError: a path does not exist.
        UnreadableImageError: a file is damaged.
        ValueError: a file is neither image nor video.
    """
    times = Times()
    inferencer.pipeline = [times.timed(step, type(step).__name__) for step in inferencer.pipeline]
    with tempfile.TemporaryDirectory() as folder:
        pictures = Pictures(folder)
        shots = _shots(inputs)
        for _ in range(images + 1):
            times.begin_round()
            _predict(inferencer, shots, pictures, times)
        pictures.close()
    times.rounds = times.rounds[1:]
    return times.medians()


def _shots(inputs: Sequence[Input]) -> Iterator[Shot]:
    """All images, again and again."""
    while True:
        yield from chain.from_iterable(source.shots() for source in find_sources(inputs, Account(strict=True)))


@torch.no_grad()
def _predict(inferencer: Inferencer, shots: Iterator[Shot], pictures: Pictures, times: Times) -> None:
    """One image, from its file to its picture."""
    model: Any = inferencer.model
    with times.of("read"):
        shot = next(shots)
    with times.of("collate"):
        batch = inferencer.batch(shot.image, shot.image_id)
    with times.of("to the device"):
        batch = model.data_preprocessor(batch)["batch"]
    with times.of("merge"):
        found = model.tta.predict(times.timed(model.network, "network"), _Watched(model.decoder, times), batch)
    with times.of("postprocess"):
        (result,) = model.postprocess(found, [shot.image])
    with times.of("draw"):
        picture = inferencer.draw(shot.image, result)
    with times.of("write"):
        pictures.write(shot.source, shot.image_id, picture, shot.number)


def write_test_images(cfg: Config, folder: Path, count: int) -> list[str]:
    """The first images of a config's test data as JPEG files.

    Args:
        cfg: a checked config.
        folder: where they go.
        count: how many.

    Returns:
        Their paths.

    Raises:
        ConfigError: the config has no test data.
        OSError: a file cannot be written.
    """
    require(cfg, ("test_dataloader",), "say which images are predicted; name some")
    dataset = next(parts_of(DATASETS.build(cfg.test_dataloader.dataset)))
    paths = []
    for n in range(min(count, len(dataset))):
        data = cv2.imencode(".jpg", _bgr(dataset.load(n).image), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
        path = folder / f"{n:04d}.jpg"
        path.write_bytes(data.tobytes())
        paths.append(str(path))
    return paths


def _bgr(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[..., ::-1])
