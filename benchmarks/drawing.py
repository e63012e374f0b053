"""Poses drawn on pictures; the floor is a copy of the picture.

python benchmarks/drawing.py
"""

from __future__ import annotations

import cv2
import numpy as np
from timing import Bar, Row, paired_ms, print_table, summarise

from aemm.skeletons import SKELETONS
from aemm.structures import Instances
from aemm.visualization import draw_pose

NOTE = "83 calls of OpenCV for each person, two for a limb and three for a keypoint, take half; labels a tenth."


def scene(size: tuple[int, int], people: int, height: float) -> tuple[np.ndarray, Instances]:
    """A grey picture and people of a height in pixels, all keypoints found."""
    rng = np.random.default_rng(0)
    center = rng.uniform((height / 4, height / 2), (size[1] - height / 4, size[0] - height / 2), (people, 2))
    points = center[:, None] + rng.uniform(-0.5, 0.5, (people, 17, 2)) * (height / 2.5, height)
    scores = rng.uniform(0.3, 1, (people, 17))
    found = Instances(0, size, rng.random(people), keypoints=points, keypoint_scores=scores)
    return np.full((*size, 3), 128, np.uint8), found


def main() -> None:
    """Time two scenes."""
    rows = []
    for size, people, height, most in (((480, 640), 30, 120, 6), ((1080, 1920), 10, 500, 20)):
        image, found = scene(size, people, height)
        ours, floor, _ = paired_ms(lambda i=image, f=found: draw_pose(i, f, SKELETONS["coco"]), image.copy)  # type: ignore[misc]
        name = f"drawing {people} people, {size[1]}x{size[0]}"
        summarise(Row(name, Bar(own=most), ours, pairs=15, floor=floor, note=NOTE))
        rows.append([name, f"{ours:.1f}", f"{floor:.2f}"])
    print_table("drawing poses", ["scene", "median ms", "floor: a copy, ms"], rows)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
