"""Samples of training from a folder, from shards and from a store, in turn; all are the same.

python benchmarks/sharded_loading.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import MMLogger
from timing import paired_ms, peer, print_table

from aemm.datasets import CocoPoseDataset, SyntheticPoseDataset
from aemm.formats.image_folder import ImageFolder
from aemm.formats.listed import AnnotationSource
from aemm.formats.packing import pack_images

COUNT = 12
PIPELINE = [dict(type="RandomAffine", size=512), dict(type="RandomFlip"), dict(type="PoseTargets", strides=[4])]


def main() -> None:
    """Write photographs of 640 x 480, pack them, and load them from each place."""
    MMLogger.get_current_instance().setLevel("ERROR")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        SyntheticPoseDataset(COUNT, (480, 640)).export_coco(folder)
        for path in (root / "images").iterdir():
            noise = np.random.default_rng(0).normal(0, 12, (480, 640, 3))  # so that it weighs what a photograph does
            image = np.clip(cv2.imread(str(path)) + cv2.GaussianBlur(noise, (3, 3), 1), 0, 255).astype(np.uint8)
            path.write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
        source = AnnotationSource(str(root / "annotations.json"), ImageFolder(str(root / "images")))
        packed = pack_images(source, root / "shards", 2**20)
        places = {f"{len(packed.shards)} shards": (packed.address, folder)}
        if peer("fsspec") is not None:
            import fsspec

            fsspec.filesystem("memory").put(folder, "/set", recursive=True)
            places["store in memory"] = ("images", "memory://set")
            places["shards in a store"] = (packed.address.replace(f"{folder}/", ""), "memory://set")
        files = CocoPoseDataset("annotations.json", "images", folder, pipeline=PIPELINE)
        for name, (img_dir, data_root) in places.items():
            data = CocoPoseDataset("annotations.json", img_dir, data_root, pipeline=PIPELINE)
            assert all(np.array_equal(data[n].image, files[n].image) for n in range(COUNT)), "the samples differ"
            own, plain, ratio = paired_ms(lambda d=data: _load(d), lambda: _load(files), 7)  # type: ignore[misc]
            rows.append([name, f"{own / COUNT:.2f}", f"{plain / COUNT:.2f}", f"{ratio:.2f}"])
    header = ["from", "ms a sample", "from files, ms", "images/s, beside files"]
    print_table("a sample of 512 px from a JPEG of 640x480, in process", header, rows)


def _load(data: CocoPoseDataset) -> None:
    for n in range(COUNT):
        data[n]


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
