"""Labels that do not cover each other, colours that can be told apart, sides of a body."""

import numpy as np
import pytest

from aemm.records import Instances
from aemm.skeletons import SKELETONS, build_skeleton
from aemm.visualization import draw_pose
from aemm.visualization.labels import place_labels
from aemm.visualization.palette import instance_color, sides


def overlaps(boxes):
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    return shared[np.triu_indices(len(boxes), 1)]


@pytest.mark.parametrize("seed", range(5))
def test_labels_of_a_crowd_do_not_cover_each_other(seed):
    rng = np.random.default_rng(seed)
    places = rng.uniform((100, 100), (260, 200), (12, 2)).tolist()
    boxes = place_labels(places, [(36, 14)] * 12, (300, 400))
    assert not overlaps(boxes).any()
    assert boxes[:, :2].min() >= 0
    assert (boxes[:, 2] <= 400).all()
    assert (boxes[:, 3] <= 300).all()


def test_a_label_alone_stands_where_it_belongs_and_one_outside_is_moved_in():
    assert place_labels([(50.0, 60.0)], [(30, 10)], (100, 200)).tolist() == [[50, 50, 80, 60]]
    assert place_labels([(-500.0, 900.0)], [(30, 10)], (100, 200)).tolist() == [[0, 90, 30, 100]]
    assert place_labels([], [], (100, 200)).shape == (0, 4)


def test_labels_of_people_in_one_place_are_all_to_be_read():
    points = np.tile(np.array([[[60.0, 60], [60, 90]]]), (3, 1, 1))
    pair = build_skeleton({"name": "pair", "keypoints": ["a", "b"], "sigmas": [0.1, 0.1], "limbs": [["a", "b"]]})
    people = Instances(1, (150, 200), np.array([0.9, 0.5, 0.1]), keypoints=points, keypoint_scores=np.ones((3, 2)))
    image = np.full((150, 200, 3), 128, np.uint8)
    ground = [(draw_pose(image, people[:n], pair).max(2) <= 20).sum() for n in range(4)]
    dark = np.diff(ground)
    assert min(dark) > 0.5 * max(dark)


def test_left_and_right_differ_in_brightness():
    coco = SKELETONS["coco"]
    places = np.zeros((1, 17, 2))
    for k, side in enumerate(sides(coco)):
        places[0, k] = {"left": 150, "right": 50, "": 100}[side], 10 + 8 * k
    person = Instances(1, (160, 200), np.ones(1), keypoints=places, keypoint_scores=np.ones((1, 17)))
    drawn = draw_pose(np.full((160, 200, 3), 128, np.uint8), person, coco, show_scores=False).astype(float)
    hip, knee = (coco.keypoints.index(f"left_{part}") for part in ("hip", "knee"))
    row = int((places[0, hip, 1] + places[0, knee, 1]) / 2)
    assert drawn[row, 149:152].sum() > 1.3 * drawn[row + 4, 49:52].sum()


def test_sides_come_from_names_and_mirrors():
    coco = SKELETONS["coco"]
    assert sides(coco) == tuple("" if name == "nose" else name.split("_")[0] for name in coco.keypoints)


def _seen_by(kind, color):
    """A colour as somebody without one kind of cones sees it (linear light, coarse)."""
    red, green, blue = (np.array(color) / 255) ** 2.2
    if kind == "no red cones":
        return np.array([0.152 * red + 1.053 * green - 0.205 * blue, 0.115 * red + 0.786 * green + 0.099 * blue, blue])
    return np.array([0.367 * red + 0.861 * green - 0.228 * blue, 0.280 * red + 0.673 * green + 0.047 * blue, blue])


@pytest.mark.parametrize("kind", ["no red cones", "no green cones"])
def test_the_first_seven_colours_are_told_apart_without_red_or_green_cones(kind):
    seen = np.array([_seen_by(kind, instance_color(n)) for n in range(7)]).clip(0, 1) ** (1 / 2.2)
    gaps = np.abs(seen[:, None] - seen[None]).sum(2) + 9 * np.eye(7)
    assert gaps.min() > 0.15


def test_small_people_get_thin_lines():
    pair = build_skeleton({"name": "pair", "keypoints": ["a", "b"], "sigmas": [0.1, 0.1], "limbs": [["a", "b"]]})
    image = np.full((720, 1080, 3), 128, np.uint8)

    def area(height):
        points = np.array([[[500.5, 100], [500.5, 100 + height]]])
        person = Instances(1, (720, 1080), np.ones(1), keypoints=points, keypoint_scores=np.ones((1, 2)))
        middle = draw_pose(image, person, pair, show_scores=False)[100 + height // 2]
        return (middle != 128).any(1).sum()

    assert area(40) < area(300)
