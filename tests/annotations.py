"""Small annotation files to break in tests."""

import json
from pathlib import Path

import cv2
import numpy as np

from aemm.skeletons import SKELETONS

NAMES = list(SKELETONS["coco"].keypoints)
SIZE = (40, 50)


def person(key, image_id, **changes):
    """An annotation of somebody with two keypoints."""
    keypoints = [10.0, 12.0, 2, 20.5, 30.25, 1] + [0, 0, 0] * 15
    base = dict(id=key, image_id=image_id, category_id=1, keypoints=keypoints, num_keypoints=2, area=300.0, iscrowd=0)
    return base | dict(bbox=[5, 5, 20, 30], segmentation=[[5, 5, 25, 5, 25, 35, 5, 35]]) | changes


def nobody(key, image_id, **changes):
    """An annotation of somebody without keypoints."""
    return person(key, image_id, keypoints=[0] * 51, num_keypoints=0, **changes)


def person_file(images=2):
    """A keypoint file with somebody in each image."""
    return dict(
        images=[dict(id=n, file_name=f"{n}.png", width=50, height=40) for n in range(1, images + 1)],
        categories=[dict(id=1, name="person", keypoints=list(NAMES), skeleton=[])],
        annotations=[person(n, n) for n in range(1, images + 1)],
    )


def write(folder: Path, data, name="people.json", images=True) -> str:
    """A file and its images in a folder; the path of the file."""
    for entry in data.get("images", ()) if images else ():
        path = folder / entry["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            cv2.imwrite(str(path), np.zeros((*SIZE, 3), np.uint8))
    (folder / name).write_text(json.dumps(data))
    return str(folder / name)
