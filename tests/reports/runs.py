"""Small runs to report on: drawn truths, predictions with known faults, and maps that fit them."""

from dataclasses import replace

import numpy as np
import torch

from aemm.formats.scalars import History
from aemm.ops.masks import encode_masks
from aemm.records import DatasetInfo, Group, Instances, Truth
from aemm.reports import Run, View
from aemm.reports.measures import CocoMeasure, GroupMeasure
from aemm.skeletons import SKELETONS
from aemm.structures import Maps

SIZE = (96, 128)
STRIDE = 4


def people(image_id, count, keypoints=17, seed=0, **fields):
    """A truth with so many people side by side, every keypoint annotated."""
    rng = np.random.default_rng([seed, count, keypoints])
    low = np.stack([4 + 30.0 * np.arange(count), np.full(count, 20.0)], axis=1)
    places = low[:, None] + rng.uniform(0, 1, (count, keypoints, 2)) * (26, 60)
    return Truth(
        image_id,
        SIZE,
        keypoints=places,
        visible=np.full((count, keypoints), 2),
        area=np.full(count, 26.0 * 60),
        boxes=np.concatenate([low, low + np.array([26, 60])], axis=1),
        **fields,
    )


def found_like(truth, scores=None, **fields):
    """The prediction that is the truth itself."""
    places, visible = truth.need_keypoints()
    scores = np.linspace(0.9, 0.6, len(places)) if scores is None else np.asarray(scores)
    points = np.array(places, float)
    return Instances(
        truth.image_id, truth.image_size, scores, keypoints=points, keypoint_scores=(visible > 0) * 0.8, **fields
    )


def moved(found, shift):
    """The prediction with every keypoint moved."""
    return replace(found, keypoints=found.keypoints + np.asarray(shift))


def look_at(pairs, channels, dimensions=1):
    """Shows a grey image whose maps have a peak at every true keypoint, with the number of its person as tag."""

    def look(index):
        truth = pairs[index][0]
        size = (SIZE[0] // STRIDE, SIZE[1] // STRIDE)
        heatmaps, tags = torch.zeros(1, channels, *size), torch.zeros(1, channels, dimensions, *size)
        if truth.keypoints is not None:
            for n, person in enumerate(truth.keypoints):
                for k, (x, y) in enumerate(person):
                    cell = min(int(y) // STRIDE, size[0] - 1), min(int(x) // STRIDE, size[1] - 1)
                    heatmaps[(0, k, *cell)], tags[0, k, :, cell[0], cell[1]] = 1.0, float(n)
        else:
            heatmaps[:, :, 2:10, 2:20], tags[..., 10:] = 0.9, 2.0
        image = np.full((*SIZE, 3), 120, np.uint8)
        return View(image, Maps(heatmaps, tags), np.diag([STRIDE, STRIDE, 1.0]))

    return look


def pose_run(name="first", shift=2.0, **fields):
    """A run on nine images of one to three people."""
    truths = [people(n, n % 3 + 1, seed=n, **fields) for n in range(9)]
    pairs = [(truth, moved(found_like(truth), (shift, 0))) for truth in truths]
    info = DatasetInfo("drawn", SKELETONS["coco"], ("person",), (1,))
    steps = ([10, 20, 30], [3.0, 2.0, 1.5])
    history = History({"loss": steps, "lr": steps, "tag_spread": steps}, {"coco/AP": ([15, 30], [0.1, 0.2])})
    metrics = {"coco/AP": 0.5, "coco/APL": -1.0}
    oracle = {"predicted": metrics, "true tags": metrics}
    facts = dict(metrics=metrics, oracle=oracle, oracle_images=9, history=history, config="a = '<b>'")
    return Run(name, CocoMeasure(info), pairs, look_at(pairs, 17), versions={"python": "3"}, **facts)


def mpii_run(name="groups"):
    """A run on groups of people with 16 keypoints."""
    group = Group((0.0, 0.0, 128.0, 96.0), 0.3)
    truths = [people(n, n % 3 + 1, 16, n, head_sizes=np.full(n % 3 + 1, 12.0), group=group) for n in range(6)]
    pairs = [(truth, moved(found_like(truth), (2, 0))) for truth in truths]
    info = DatasetInfo("groups", SKELETONS["mpii"], ("person",), (1,))
    return Run(name, GroupMeasure(info), pairs, look_at(pairs, 16, 2), metrics={"mpii/mAP": 0.7})


def mask_run(name="masks"):
    """A run on images with two instances of two classes."""
    pairs = []
    for n in range(6):
        areas = np.zeros((2, *SIZE), bool)
        areas[0, 10:40, 10:50], areas[1, 30:80, 60:110] = True, True
        labels = np.array([0, 1])
        truth = Truth(n, SIZE, masks=encode_masks(areas), labels=labels)
        shifted = np.roll(areas, 2 * n, axis=2)
        pairs.append((truth, Instances(n, SIZE, np.array([0.9, 0.8]), masks=encode_masks(shifted), labels=labels)))
    info = DatasetInfo("masks", None, ("cat", "dog"), (1, 2))
    return Run(name, CocoMeasure(info), pairs, look_at(pairs, 2), metrics={"segm/AP": 0.6})
