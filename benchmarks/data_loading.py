"""One sample of training: drawing synthetic people, and the augmentation of a 640x480 photograph to 512 px.

python benchmarks/data_loading.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import MMLogger
from timing import median_ms, print_table, read_ms

from aemm import geometry
from aemm.datasets import CocoPoseDataset, SyntheticPoseDataset
from aemm.datasets.transforms import ColorJitter, PoseTargets, RandomAffine, RandomFlip

PIPELINE = [RandomAffine(512, scale=(0.75, 1.25)), RandomFlip(), ColorJitter(), PoseTargets(strides=(4,))]


def loop_warp(image: np.ndarray, warp: np.ndarray, size: int) -> np.ndarray:
    """Nearest-neighbour warp, pixel by pixel, of 1/64 of the rows."""
    back, out = np.linalg.inv(warp), np.zeros((size, size, 3), np.uint8)
    for y in range(0, size, 64):
        for x in range(size):
            u, v, _ = (back @ (x + 0.5, y + 0.5, 1)).astype(int)
            if 0 <= u < image.shape[1] and 0 <= v < image.shape[0]:
                out[y, x] = image[v, u]
    return out


def main() -> None:
    """Time the synthetic set, the COCO pipeline, and its resampling alone."""
    MMLogger.get_current_instance().setLevel("ERROR")
    drawn = SyntheticPoseDataset(2000)
    step = iter(range(10**9))
    synthetic = median_ms(lambda: drawn.load(next(step) % 2000), 3)
    with tempfile.TemporaryDirectory() as folder:
        SyntheticPoseDataset(8, (480, 640)).export_coco(folder)
        for path in Path(folder, "images").glob("*.png"):
            cv2.imwrite(str(path), cv2.imread(str(path)))
        photos = CocoPoseDataset("annotations.json", "images", folder, pipeline=PIPELINE)
        whole = median_ms(lambda: photos[next(step) % 8], 3)
        decode = median_ms(lambda: photos.load(next(step) % 8), 2)
        image = photos.load(0).image
    warp = geometry.crop_warp((320, 240), 640, (512, 512), 20)
    loop = median_ms(lambda: loop_warp(image, warp, 512), 0.5, 3) * 64
    megabytes = (480 * 640 + 512 * 512) * 3 / 2**20
    print_table(
        "one training sample, one core",
        ["", "median ms", "samples/s", "x loop"],
        [
            ["synthetic people, 128 px, drawn and annotated", f"{synthetic:.2f}", f"{1e3 / synthetic:.0f}", ""],
            ["640x480 file to 512 px with targets", f"{whole:.1f}", f"{1e3 / whole:.0f}", f"{loop / whole:.0f}"],
            ["of which reading the file and its masks", f"{decode:.1f}", "", ""],
            ["resampling alone in a loop (from 8 rows)", f"{loop:.0f}", "", "1"],
            [f"least: read and write {megabytes:.1f} MB", f"{read_ms(megabytes):.2f}", "", ""],
        ],
    )


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
