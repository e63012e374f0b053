"""People of a CSV file, one a line: file name, then x, y of each keypoint; trains, and is measured by CocoMetric."""

import csv
from pathlib import Path

import numpy as np

from aemm.datasets import SampleDataset
from aemm.formats import load_image
from aemm.registry import DATASETS
from aemm.structures import Sample, Truth


@DATASETS.register_module()
class CsvPoints(SampleDataset):
    def __init__(self, table, img_dir, skeleton, **options):
        super().__init__(skeleton=skeleton, **options)
        self.img_dir, self.people = Path(img_dir), {}
        for name, *numbers in csv.reader(Path(table).read_text().splitlines()):
            self.people.setdefault(name, []).append(np.reshape(numbers, (-1, 2)).astype(np.float32))

    def __len__(self):
        return len(self.people)

    def load(self, index):
        name, people = list(self.people.items())[index]
        image, points = load_image(str(self.img_dir / name)), np.stack(people)
        known = dict(keypoints=points, visible=np.full(points.shape[:2], 2))
        truth = Truth(name, image.shape[:2], **known) if self.test_mode else None
        return Sample(image, name, image.shape[:2], **known, skeleton=self.skeleton, truth=truth)
