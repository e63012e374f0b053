"""The data of a config, built for a trial; drawn ones in place of those that cannot be read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from mmengine.config import Config

from aemm.datasets.synthetic import SyntheticInstanceDataset, SyntheticMpiiDataset, SyntheticPoseDataset
from aemm.engine.config_check import ConfigError, check_loader
from aemm.engine.runner import Runner
from aemm.formats.checkpoint import place_of
from aemm.records import DatasetInfo
from aemm.registry import DATASETS
from aemm.structures import Batch, Sample

_DRAWN = 16  # images of a stand-in
_SIDE = 256  # of its images, pixels


class TrialLoader:
    """The loader of a config, whose samples come in the order of a training, loaded in this process.

    Args:
        cfg: a checked config.
        key: of the loader.
        processes: that would share the data.
        stand_in: draw data, since those of the config cannot be read.

    Attributes:
        info: of the data set.
        count: its samples.
        batch_size: of a process.

    Raises:
        Exception: whatever the data set raises; or no batch comes out of it.
    """

    def __init__(self, cfg: Config, key: str, processes: int, stand_in: bool = False) -> None:
        node = cfg[key].to_dict()
        self.batch_size: int = node.get("batch_size", 1)
        self.dataset = _drawn(node["dataset"], cfg) if stand_in else DATASETS.build(node["dataset"])
        if not stand_in:
            check_loader(self.dataset, node, processes)
        for name in ("num_workers", "persistent_workers", "prefetch_factor", "timeout"):
            node.pop(name, None)
        seed = cfg.get("randomness", {}).get("seed") or 0
        self._loader = Runner.build_dataloader({**node, "dataset": self.dataset, "pin_memory": False}, seed=seed)
        self.info: DatasetInfo = self.dataset.metainfo
        self.count = len(self.dataset)
        self._full = bool(node.get("drop_last"))
        self._processes = processes

    @property
    def iterations(self) -> int:
        """Of an epoch, on each process."""
        share = math.ceil(self.count / self._processes)
        return share // self.batch_size if self._full else math.ceil(share / self.batch_size)

    def samples(self, count: int, first: int = 0) -> list[Sample]:
        """The first samples of the first epoch, or as many behind ``first`` of them."""
        return [self.dataset[key] for key in islice(iter(self._loader.sampler), first, first + count)]

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """A batch of samples, as the loader makes it."""
        batch: Batch = self._loader.collate_fn(list(samples))
        return batch


def _drawn(node: Mapping[str, Any], cfg: Config) -> Any:
    """Drawn images with the pipeline of a data set.

    Raises:
        ConfigError: its kind of data cannot be drawn.
    """
    inner = next((part for part in _dicts(node) if "pipeline" in part), None)
    if inner is None:
        raise ConfigError("no pipeline is known to run drawn images through")
    kind, decoder = str(inner["type"]), cfg.model.get("decoder", {})
    common: dict[str, Any] = {"length": _DRAWN, "pipeline": inner["pipeline"]}
    test_mode = bool(inner.get("test_mode", False))
    if "Mpii" in kind and (test_mode or kind.endswith("GroupDataset")):
        return SyntheticMpiiDataset(regions="group", test_mode=True, **common)
    common |= {"image_size": _SIDE, "test_mode": test_mode}
    skeleton = inner.get("skeleton") or decoder.get("skeleton")
    if skeleton is None or "Instance" in kind:
        return SyntheticInstanceDataset(**common)
    return SyntheticPoseDataset(skeleton=skeleton, **common)


def is_absent(checkpoint: str) -> bool:
    """Whether weights are yet to be fetched."""
    return "://" in checkpoint and not place_of(checkpoint).is_file()


def without_downloads(node: Any) -> tuple[Any, list[str]]:
    """The config of a model without initial weights that are yet to be fetched, and a note on each.

    Args:
        node: the config, or a part of it; it stays as it is.
    """
    notes: list[str] = []

    def kept(part: Any) -> Any:
        if isinstance(part, list | tuple):
            return type(part)(map(kept, part))
        if not isinstance(part, Mapping):
            return part
        found = {key: kept(value) for key, value in part.items()}
        source = (part.get("init_cfg") or {}).get("checkpoint") if isinstance(part.get("init_cfg"), Mapping) else None
        if isinstance(source, str) and is_absent(source):
            notes.append(f"{source} is not here yet; the training fetches it")
            found["init_cfg"] = None
        if part.get("pretrained") is True:  # another library's, which alone knows where they are
            notes.append(f"those of {part.get('name')} are left out here; the training fetches them")
            found["pretrained"] = False
        return found

    return kept(node), notes


def _dicts(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        yield node
    for child in node.values() if isinstance(node, Mapping) else node if isinstance(node, list | tuple) else ():
        yield from _dicts(child)
