"""A training sample from a JPEG of 640x480, by HigherHRNet's recipe, against mmpose's pipeline of the same steps.

Both read the same files, in turn, in one process. The floor is decoding the file and one resampling of OpenCV.

python benchmarks/photo_loading.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.logging import MMLogger
from timing import paired_ms, peer, print_table

from aemm import geometry
from aemm.datasets import CocoPoseDataset, SyntheticPoseDataset
from aemm.engine import load_config
from aemm.engine.allocation import keep_freed_memory

COUNT, SIZE = 16, 512


def mmpose_sample(data: CocoPoseDataset) -> Callable[[int], Any] | None:
    """A call that makes a sample by mmpose's transforms; None where mmpose is not there."""
    transforms, codecs = peer("mmpose.datasets.transforms"), peer("mmpose.codecs")
    if transforms is None or codecs is None:
        return None
    codec = dict(type="AssociativeEmbedding", input_size=(SIZE, SIZE), heatmap_size=(SIZE // 4,) * 2, sigma=2)
    steps = [
        transforms.BottomupRandomAffine(input_size=(SIZE, SIZE)),
        transforms.RandomFlip(direction="horizontal", prob=0.5),
        transforms.GenerateTarget(encoder=dict(decode_keypoint_order=list(range(17)), **codec)),
        transforms.BottomupGetHeatmapMask(),
    ]

    def sample(index: int) -> Any:
        entry, rows = data.file.images[index], data.file.rows(index)
        path = Path(entry.source.folder.path, entry.file_name)
        results: Any = dict(
            img=cv2.imread(str(path)),
            img_shape=entry.size,
            ori_shape=entry.size,
            input_size=(SIZE, SIZE),
            bbox=data.file.boxes[rows],
            bbox_score=np.ones(rows.stop - rows.start, np.float32),
            keypoints=data.file.keypoints[rows].astype(np.float32),
            keypoints_visible=(data.file.visible[rows] > 0).astype(np.float32),
            area=data.file.area[rows].astype(np.float32),
            flip_indices=list(data.keypoint_set.flip_index),
            invalid_segs=[],
        )
        for step in steps:
            results = step(results)
        return results

    return sample


def main() -> None:
    """Time the recipe's samples, mmpose's and the floor."""
    MMLogger.get_current_instance().setLevel("ERROR")
    keep_freed_memory()
    pipeline = load_config("configs/pose/hrnet_w32_coco_512.py").train_dataloader.dataset.pipeline
    with tempfile.TemporaryDirectory() as folder:
        SyntheticPoseDataset(COUNT, (480, 640)).export_coco(folder)
        for path in Path(folder, "images").glob("*.png"):
            image = cv2.resize(cv2.imread(str(path)), (640, 480))
            noise = np.random.default_rng(0).normal(0, 12, image.shape)  # so that it weighs what a photograph does
            jpeg = cv2.imencode(".jpg", np.clip(image + cv2.GaussianBlur(noise, (3, 3), 1), 0, 255).astype(np.uint8))[1]
            path.write_bytes(jpeg.tobytes())  # content tells the kind, not the name
        data = CocoPoseDataset("annotations.json", "images", folder, pipeline=pipeline)
        files = [path.read_bytes() for path in sorted(Path(folder, "images").iterdir())]
        warp = geometry.crop_warp((320, 240), 480, (SIZE, SIZE), 20)[:2]

        def least() -> None:
            for content in files:
                cv2.warpAffine(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), warp, (SIZE, SIZE))

        theirs = mmpose_sample(data)

        def ours() -> None:
            for n in range(len(data)):
                data[n]

        own, floor, _ = paired_ms(ours, least)
        other, ratio = "", ""
        if theirs is not None:
            own, taken, faster = paired_ms(ours, lambda: [theirs(n) for n in range(len(data))])
            other, ratio = f"{taken / COUNT:.2f}", f"{faster:.2f}"
    kilobytes = sum(map(len, files)) / COUNT / 1024
    print_table(
        f"one training sample of 512 px from a JPEG of {kilobytes:.0f} kB, in process",
        ["recipe", "aemm, ms", "mmpose, ms", "mmpose / aemm", "floor, ms", "times the floor"],
        [["higherhrnet", f"{own / COUNT:.2f}", other, ratio, f"{floor / COUNT:.2f}", f"{own / floor:.2f}"]],
    )


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
