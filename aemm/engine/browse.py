"""Pictures of what a config's network is trained on, before it is trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config

from aemm import geometry
from aemm.datasets.base import SampleKey
from aemm.datasets.transforms.geometric import warp_sample
from aemm.engine.config_check import ConfigError
from aemm.formats import UnreadableImageError, picture_name
from aemm.registry import DATASETS
from aemm.structures import Sample
from aemm.visualization import draw_sample, draw_truth, save_picture

PARTS = ("train", "val", "test")
_LEAST_SIDE = 384  # pixels of a picture; smaller images are enlarged


def browse(
    cfg: Config, part: str, folder: str | Path, limit: int, seed: int = 0
) -> Iterator[Path | UnreadableImageError]:
    """Draw samples of a config's data as their pipeline leaves them.

    Args:
        cfg: a loaded config.
        part: one of :data:`PARTS`.
        folder: where the pictures go.
        limit: draw so many at most, evenly spread over the set.
        seed: of what the pipeline draws.

    Yields:
        the path of each picture, once it is written; where an image cannot be read, the error that says why.

    Raises:
        ConfigError: the config has no such data.
    """
    loader = cfg.get(f"{part}_dataloader")
    if loader is None:
        there = [name for name in PARTS if cfg.get(f"{name}_dataloader") is not None]
        raise ConfigError(
            f"config {cfg.filename} has no {part}_dataloader; it has data for {', '.join(there) or 'none'}"
        )
    data = DATASETS.build(loader.dataset)
    count = min(limit, len(data))
    for n in range(count):
        index = n * len(data) // count
        try:
            sample = _enlarged(data[SampleKey(index, 0, seed)])
        except UnreadableImageError as error:
            yield error
            continue
        path = Path(folder) / f"{index:06d}_{picture_name(sample.image_id)}"
        save_picture(path, draw_sample(sample) if sample.targets else draw_truth(sample))
        yield path


def _enlarged(sample: Sample) -> Sample:
    """A sample so large that its picture can be looked at; its targets are those of its network all the same."""
    height, width = sample.image.shape[:2]
    zoom = max(1, -(-_LEAST_SIDE // max(height, width)))
    return warp_sample(sample, geometry.scaling(zoom), (height * zoom, width * zoom)) if zoom > 1 else sample
