"""A training sample from a JPEG, by the recipes, against mmpose's pipeline of the same steps or the authors' steps.

Both read the same files, in turn, in one process. The floor is decoding the file and one resampling of OpenCV.

python benchmarks/photo_loading.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import MMLogger
from photos import SIDE, Call, mmpose_sample, plain_sample, write_photos
from timing import Bar, Row, paired_ms, print_table, summarise

from aemm import geometry
from aemm.datasets import CocoPoseDataset
from aemm.engine import load_config
from aemm.engine.allocation import keep_freed_memory

NOTE = (
    "decoding and resampling take two thirds. Above them are the places of the resampling in OpenCV 4's fixed-point "
    "numbers, which published weights were trained with (a twelfth), targets (a twelfth), what lies outside of the "
    "photo, checks whether the file is whole, the flip, and records; colour jitter, in float, is a quarter of its "
    "row. Tried: places as floats (other pixels), Pillow's "
    "decoder (the same pixels, a quarter slower), decoding at half scale (other pixels, so only where it is asked for)."
)


@dataclass(frozen=True)
class Case:
    """A recipe on files of one size.

    Attributes:
        name: as the summary has it.
        recipe: path of the config, without ending.
        peer: what makes the other's samples.
        bar: to reach.
        size: of the files, height and width.
        count: of files.
        pairs: of passes over the files.
    """

    name: str
    recipe: str
    peer: Callable[[CocoPoseDataset], Call | None]
    bar: Bar
    size: tuple[int, int] = (480, 640)
    count: int = 16
    pairs: int = 11


CASES = (
    Case("loader, `short`, against mmpose", "hrnet_w32_coco_512", mmpose_sample, Bar(1.5, 1.3)),
    Case(
        "loader, `short_higher`, against mmpose",
        "higherhrnet_w32_coco_512",
        lambda data: mmpose_sample(data, (4, 2)),
        Bar(1.3, 1.3),
    ),
    Case("loader, `long` with colour jitter, against the authors' steps", "hourglass4_coco_512", plain_sample, Bar(2)),
    Case(
        "loader, `short`, photos of 2000x1500, against mmpose",
        "hrnet_w32_coco_512",
        mmpose_sample,
        Bar(1.5, 1.3),
        (1500, 2000),
        4,
        9,
    ),
)


def measure(case: Case) -> tuple[Row, float]:
    """Time a case; its row, of one sample each, and the kilobytes of a file."""
    pipeline = load_config(f"configs/pose/{case.recipe}.py").train_dataloader.dataset.pipeline
    with tempfile.TemporaryDirectory() as folder:
        files = [path.read_bytes() for path in write_photos(Path(folder), case.count, case.size)]
        data = CocoPoseDataset("annotations.json", "images", folder, pipeline=pipeline)
        height, width = case.size
        warp = geometry.crop_warp((width / 2, height / 2), height, (SIDE, SIDE), 20)[:2]

        def ours() -> None:
            for n in range(len(data)):
                data[n]

        def least() -> None:
            for content in files:
                cv2.warpAffine(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), warp, (SIDE, SIDE))

        theirs = case.peer(data)
        own, floor, _ = paired_ms(ours, least, case.pairs)
        taken, ratio = None, None
        if theirs is not None:
            own, taken, ratio = paired_ms(ours, lambda: [theirs(n) for n in range(len(data))], case.pairs)
    each = 1 / case.count
    taken = None if taken is None else taken * each
    times = dict(pairs=case.pairs, peer=taken, ratio=ratio, floor=floor * each)
    return Row(case.name, case.bar, own * each, note=NOTE, **times), sum(map(len, files)) * each / 1024


def main() -> None:
    """Time every case."""
    MMLogger.get_current_instance().setLevel("ERROR")
    keep_freed_memory()
    rows = []
    for case in CASES:
        row, kilobytes = measure(case)
        summarise(row)
        rows.append([case.name, str(case.pairs), f"{kilobytes:.0f}", f"{row.own:.2f}", f"{row.floor:.2f}"])
    header = ["recipe", "pairs", "kB of a file", "aemm, ms", "floor: decoding and one warp, ms"]
    print_table("one training sample of 512 px from a JPEG, in process", header, rows)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
