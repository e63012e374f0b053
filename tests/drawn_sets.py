"""Sets of annotations drawn at random for properties: keypoints, masks, groups."""

import cv2
import hypothesis
import numpy as np

from aemm.skeletons import SKELETONS
from tests.annotations import write

SEEDS = hypothesis.strategies.integers(0, 10**6)
SIZE = (60, 90)


def examples(count):
    return hypothesis.settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
    )


def draw_keypoints(rng, images=3, skeleton="coco", most=4):
    """A keypoint file with people, crowds, and people without keypoints, of one category with id 1."""
    names, rows = list(SKELETONS[skeleton].keypoints), []
    for image in range(1, images + 1):
        for _ in range(int(rng.integers(0, most + 1)) if image > 1 else most):
            visible = rng.choice([0, 1, 2], len(names))
            kind = rng.choice(["person", "person", "person", "crowd", "nobody"])
            visible = visible * (kind != "nobody")
            points = rng.integers(0, [SIZE[1] * 8, SIZE[0] * 8], (len(names), 2)) / 8 + 0.125
            flat = np.column_stack([points * (visible > 0)[:, None], visible]).ravel().tolist()
            box = [*rng.uniform(0, 40, 2).tolist(), *rng.uniform(3, 40, 2).tolist()]
            row = dict(id=len(rows) + 1, image_id=image, category_id=1, keypoints=flat, bbox=box, area=box[2] * box[3])
            rows.append(row | dict(iscrowd=int(kind == "crowd"), num_keypoints=int((visible > 0).sum())))
    sizes = dict(width=SIZE[1], height=SIZE[0])
    listed = [dict(id=n, file_name=f"{n:06d}.png", **sizes) for n in range(1, images + 1)]
    return dict(images=listed, annotations=rows, categories=[dict(id=1, name="person", keypoints=names)])


def write_all(folder, data, name="people.json"):
    """The file, and black images of its size."""
    for image in data["images"]:
        cv2.imwrite(str(folder / image["file_name"]), np.zeros((*SIZE, 3), np.uint8))
    write(folder, data, name, images=False)


def draw_masks(rng, images=2):
    """A file of masks of three classes, the outlines in all forms; rectangles that do not lie upon each other."""
    rows, names = [], ("cat", "dog", "cat")
    for image in range(1, images + 1):
        for left in range(2, 70, 20):
            width, height = rng.integers(6, 18), rng.integers(6, 50)
            form = rng.choice(["polygon", "counts"])
            mask = np.zeros(SIZE, bool)
            mask[3 : 3 + height, left : left + width] = True
            corners = [left, 3, left + width, 3, left + width, 3 + height, left, 3 + height]
            edges = np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=False))
            counts = np.diff(edges, prepend=0, append=mask.size).tolist()
            whole = [[float(v) for v in corners]] if form == "polygon" else dict(size=list(SIZE), counts=counts)
            row = dict(id=len(rows) + 1, image_id=image, category_id=int(rng.integers(1, 4)), segmentation=whole)
            row["iscrowd"] = int(left == 62 and rng.random() < 0.5)
            rows.append(row | dict(area=float(mask.sum()), bbox=[float(left), 3.0, float(width), float(height)]))
    sizes = dict(width=SIZE[1], height=SIZE[0])
    listed = [dict(id=n, file_name=f"{n:06d}.png", **sizes) for n in range(1, images + 1)]
    return dict(images=listed, annotations=rows, categories=[dict(id=n, name=name) for n, name in enumerate(names, 1)])


def draw_groups(rng, groups=3):
    """A file of MPII's with a group of one to three people in each image, far apart."""
    data = draw_keypoints(rng, groups, "mpii", 0)
    data["groups"] = []
    for image in range(1, groups + 1):
        for n in range(int(rng.integers(1, 4))):
            points = rng.uniform(0, 18, (16, 2)) + np.array([5 + 28 * n, 20.0])
            visible = rng.choice([0, 1, 2], 16, p=[0.2, 0.2, 0.6])
            visible[9] = 2
            flat = np.column_stack([points * (visible > 0)[:, None], visible]).ravel().tolist()
            middle = points.mean(0).tolist()
            row = dict(id=len(data["annotations"]) + 1, image_id=image, category_id=1, keypoints=flat, iscrowd=0)
            row |= dict(area=400.0, bbox=[*points.min(0).tolist(), 18.0, 18.0], group_ids=[30 + image])
            row |= dict(head_box=[middle[0], 20.0, middle[0] + 4, 26.0], scale=0.1, objpos=middle)
            data["annotations"].append(row)
        corners = np.array([a["objpos"] for a in data["annotations"] if a["image_id"] == image])
        rectangle = [*corners.min(0).tolist(), *corners.max(0).tolist()]
        data["groups"].append(dict(id=30 + image, image_id=image, rectangle=rectangle, scale=0.1))
    return data
