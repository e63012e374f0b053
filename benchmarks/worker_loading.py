"""Samples from one worker of a DataLoader, in batches, against mmpose's transforms and collate function.

What counts is the CPU time of the worker, which it spends on samples and on handing batches over. Passes of both are
made in turn, and a pass over a single batch, whose time is that of a worker's start, is taken off.

python benchmarks/worker_loading.py
"""

from __future__ import annotations

import resource
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from photos import SIDE, mmpose_sample, write_photos
from timing import Bar, Row, paired_ms, print_table, summarise
from torch.utils.data import DataLoader, Dataset

from aemm import geometry
from aemm.datasets import CocoPoseDataset, collate
from aemm.engine import load_config
from aemm.engine.allocation import keep_memory_of

FILES, BATCH, BATCHES, PAIRS = 16, 8, 16, 5
NOTE = (
    "beside the samples of `short`, a batch is stacked, its heatmaps packed, and both written to memory that the "
    "training process shares."
)


class Samples(Dataset):
    """So many samples that a call makes, over and over the same files."""

    def __init__(self, make: Callable[[int], Any], batches: int) -> None:
        self.make = make
        self.batches = batches

    def __len__(self) -> int:
        return self.batches * BATCH

    def __getitem__(self, index: int) -> Any:
        return self.make(index % FILES)


def worker_seconds(make: Callable[[int], Any], collate_fn: Callable, keeps: bool, batches: int) -> float:
    """CPU seconds of a worker that makes so many batches, its start and end included."""
    loader = DataLoader(Samples(make, batches), BATCH, num_workers=1, collate_fn=collate_fn)
    if keeps:
        keep_memory_of(loader)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in loader:
        pass
    after = resource.getrusage(resource.RUSAGE_CHILDREN)  # the worker has ended
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def sample_ms(make: Callable[[int], Any], collate_fn: Callable, keeps: bool) -> float:
    """CPU milliseconds of a worker for one sample."""
    whole, first = (worker_seconds(make, collate_fn, keeps, batches) for batches in (BATCHES + 1, 1))
    return (whole - first) / (BATCHES * BATCH) * 1e3


def main() -> None:
    """Time both."""
    MMLogger.get_current_instance().setLevel("ERROR")
    pipeline = load_config("configs/pose/hrnet_w32_coco_512.py").train_dataloader.dataset.pipeline
    with tempfile.TemporaryDirectory() as folder:
        files = [path.read_bytes() for path in write_photos(Path(folder), FILES)]
        data = CocoPoseDataset("annotations.json", "images", folder, pipeline=pipeline)
        theirs = mmpose_sample(data, packed=True)
        warp = geometry.crop_warp((320, 240), 480, (SIDE, SIDE), 20)[:2]

        def least() -> None:
            for content in files:
                cv2.warpAffine(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), warp, (SIDE, SIDE))

        floor = paired_ms(least, least, 7)[0] / FILES
        own, other = [], []
        for _ in range(PAIRS):
            own.append(sample_ms(data.__getitem__, collate, True))
            if theirs is not None:
                other.append(sample_ms(theirs, pseudo_collate, False))
    taken = statistics.median(other) if other else None
    ratio = statistics.median(b / a for a, b in zip(own, other, strict=True)) if other else None
    row = Row(
        "one DataLoader worker, `short`, against mmpose",
        Bar(1.6),
        statistics.median(own),
        pairs=PAIRS,
        peer=taken,
        ratio=ratio,
        floor=floor,
        note=NOTE,
    )
    summarise(row)
    columns = ["of a sample", "pairs", "aemm, ms", "mmpose, ms", "floor: decoding and one warp, ms"]
    told = f"{taken:.2f}" if taken else ""
    cells = ["CPU time of the worker", str(PAIRS), f"{row.own:.2f}", told, f"{floor:.2f}"]
    print_table(f"one worker, batches of {BATCH}", columns, [cells])


if __name__ == "__main__":
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    main()
