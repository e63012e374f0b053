"""Groups of drawn people, as MPII has them: to train on, to test on crops, and to measure by MPII's metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aemm.datasets.base import SampleDataset
from aemm.datasets.synthetic.body import PLACE, Figure, body_indices
from aemm.datasets.synthetic.drawing import (
    MAX_PEOPLE,
    People,
    add_noise,
    draw_background,
    head_box,
    paint_figures,
    place_people,
    told_apart,
)
from aemm.datasets.synthetic.pose import truth_of
from aemm.datasets.transforms.geometric import crop_sample
from aemm.formats.coco import write_set
from aemm.formats.mpii import describe_group, describe_groups, describe_person
from aemm.ops.boxes import PERSON_HEIGHT, group_box, head_sizes
from aemm.records import DatasetInfo, Group, Truth
from aemm.registry import DATASETS
from aemm.skeletons import Skeleton
from aemm.structures import Sample

_GAP = 0.25  # between the places of two groups, in heights of the image
_TRUNK = [PLACE["thorax"], PLACE["pelvis"]]


class _Scene(NamedTuple):
    """A picture of groups.

    Attributes:
        people: the picture, and what is true of the N people in it.
        figures: N figures.
        member: ``(N,)`` number of everybody's group, counted from 0.
    """

    people: People
    figures: list[Figure]
    member: np.ndarray

    @property
    def positions(self) -> np.ndarray:
        """Middle of every trunk ``(N, 2)``, moved into the image."""
        middles = np.array([figure.points[_TRUNK, :2].mean(0) for figure in self.figures])
        return middles.clip(0, self.people.image.shape[1::-1])

    @property
    def scales(self) -> np.ndarray:
        """Heights ``(N,)`` in the unit of MPII."""
        return np.array([figure.stature for figure in self.figures]) / PERSON_HEIGHT

    def extent(self, group: int) -> Group:
        """Where a group is: rectangle around its positions, and mean scale."""
        places = self.positions[self.member == group].round(3)
        (left, top), (right, bottom) = places.min(0).tolist(), places.max(0).tolist()
        scale = float(self.scales[self.member == group].mean())
        return Group((left, top, right, bottom), round(scale, 6))


@DATASETS.register_module()
class SyntheticMpiiDataset(SampleDataset):
    """Groups of drawn people side by side, with all that MPII says of people and groups.

    An image of several groups is wider than one of a single group. Images depend on ``(seed, index)`` alone.
    In testing a sample is the crop that follows from a group's rectangle and mean scale, as in
    :class:`~aemm.datasets.mpii.MpiiGroupDataset`; nothing else of the ground truth is in it.

    Args:
        length: number of images.
        panel: sides of the square that a group has for itself, pixels; the height of every image.
        people: fewest and most people in a group.
        groups: fewest and most groups in an image.
        seed: another seed is another set; give training and validation different ones.
        skeleton: name, dict or json file of the keypoint set.
        regions: of training samples: ``'group'`` cuts each group out as in testing, ``'image'`` takes
            whole images, whose widths differ.
        margin: of a group's crop around its rectangle, in heights of a person.
        height: smallest and largest stature, as a share of ``panel``.
        pipeline: transforms as configs or callables.
        test_mode: crops of groups, which show nothing of their truth but carry it along.
        side_colors: dress left limbs in warm colours and right limbs in cool ones; train and test without flips then.
        cache: keep the crops, or the whole images.

    Raises:
        ValueError: an argument is out of range, or the drawn body lacks a keypoint.
    """

    def __init__(
        self,
        length: int,
        panel: int = 128,
        people: tuple[int, int] = (1, 3),
        groups: tuple[int, int] = (1, 2),
        seed: int = 0,
        skeleton: str | Mapping[str, Any] | Skeleton = "mpii",
        regions: str = "group",
        margin: float = 0.75,
        height: tuple[float, float] = (0.4, 0.95),
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        test_mode: bool = False,
        side_colors: bool = True,
        cache: bool = False,
    ) -> None:
        super().__init__(pipeline=pipeline, skeleton=skeleton, test_mode=test_mode, cache=cache)
        if length < 0 or panel < 32:
            raise ValueError(f"length must be 0 or more and panel at least 32 pixels, got {length} and {panel}")
        for name, counts in (("people", people), ("groups", groups)):
            if len(counts) != 2 or not 1 <= counts[0] <= counts[1]:
                raise ValueError(f"{name} must be (fewest, most) with at least one, got {counts}")
        if people[1] * groups[1] > MAX_PEOPLE:
            raise ValueError(f"people x groups must be at most {MAX_PEOPLE}, got {people[1]} x {groups[1]}")
        if regions not in ("image", "group") or (test_mode and regions != "group"):
            raise ValueError(f"regions must be 'group', or 'image' in training, got {regions!r}, test_mode={test_mode}")
        body_indices(self.keypoint_set)
        self.length = length
        self.panel = panel
        self.people = tuple(people)
        self.seed = seed
        self.groups = tuple(groups)
        self.margin = margin
        self.height = height
        self.side_colors = side_colors
        numbers = [self._group_count(self._rng(index)) for index in range(length)]
        if regions == "group":
            self._regions = [(index, group) for index in range(length) for group in range(numbers[index])]
        else:
            self._regions = [(index, -1) for index in range(length)]
        self._first_id = np.cumsum([1, *numbers]).tolist()

    def __len__(self) -> int:
        """Number of groups, or of images."""
        return len(self._regions)

    def load(self, index: int) -> Sample:
        """The crop of a group, or a whole image; with its people in training, with their truth in testing."""
        image_id, group = self._regions[index]
        scene = self._draw(image_id)
        image, size = scene.people.image, scene.people.image.shape[:2]
        key = image_id if group < 0 else self._first_id[image_id] + group
        sample = Sample(image, key, size, skeleton=self.keypoint_set)
        if self.test_mode:
            sample.truth = self._group_truth(scene, key, group)
        else:
            people = scene.people
            sample = replace(
                sample,
                keypoints=people.keypoints,
                visible=people.visible,
                labels=np.zeros(len(people.masks), np.int64),
                ignore=np.zeros(size, bool),
            )
        if group < 0:
            return sample
        where = scene.extent(group)
        return crop_sample(sample, group_box(where.rectangle, where.scale, self.margin, size))

    def _group_truth(self, scene: _Scene, key: int, group: int) -> Truth:
        """The people of one group."""
        whole, own = truth_of(scene.people, key), scene.member == group
        keypoints, visible = whole.need_keypoints()
        heads = np.array([head_box(figure) for figure in scene.figures]).reshape(-1, 4)
        return Truth(
            image_id=key,
            image_size=whole.image_size,
            keypoints=keypoints[own],
            visible=visible[own],
            head_sizes=head_sizes(heads)[own],
            group=scene.extent(group),
        )

    def _rng(self, index: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence((self.seed, index)))

    def _group_count(self, rng: np.random.Generator) -> int:
        return int(rng.integers(self.groups[0], self.groups[1] + 1))

    def _draw(self, index: int) -> _Scene:
        """The image of ``(seed, index)``; drawn anew until everybody can be told to be there."""
        rng = self._rng(index)
        count, step = self._group_count(rng), self.panel + round(_GAP * self.panel)
        canvas = draw_background(rng, (self.panel, count * step - (step - self.panel)))
        blank = np.zeros((self.panel, self.panel, 3), np.uint8)
        while True:
            placed: list[tuple[Figure, int]] = []
            for group in range(count):
                number = int(rng.integers(self.people[0], self.people[1] + 1))
                found = place_people(rng, blank, number, self.keypoint_set, self.height, self.side_colors)[0]
                placed += [(figure.moved(group * step, 0), group) for figure in found]
            placed.sort(key=lambda pair: pair[0].stature)
            figures, member = [pair[0] for pair in placed], np.array([pair[1] for pair in placed])
            people = paint_figures(canvas, figures, self.keypoint_set)
            if len(set(member.tolist())) == count and told_apart(people, figures).all():
                return _Scene(people._replace(image=add_noise(rng, people.image)), figures, member)

    @property
    def metainfo(self) -> DatasetInfo:
        """The keypoint set of drawn people."""
        return DatasetInfo(f"drawn groups, seed {self.seed}", self.keypoint_set, ("person",), (1,))

    def coco_annotations(self) -> dict[str, Any]:
        """All that is true of the set as tools/dataset_tools/mpii_to_coco.py would write it."""
        scenes = [self._draw(index) for index in range(self.length)]
        truths = [truth_of(scene.people, index, with_masks=True) for index, scene in enumerate(scenes)]
        people, groups = [], []
        for index, scene in enumerate(scenes):
            first = self._first_id[index]
            for group in range(self._first_id[index + 1] - first):
                groups.append(describe_group(first + group, index, scene.extent(group)))
            for n, figure in enumerate(scene.figures):
                member = (int(first + scene.member[n]),)
                people.append(describe_person(scene.positions[n], float(scene.scales[n]), head_box(figure), member))
        return describe_groups(truths, self.metainfo, people, groups)

    def export_coco(self, folder: str | Path) -> None:
        """Write ``images/*.png`` and ``annotations.json``, which the data sets of MPII read."""
        write_set(folder, self.coco_annotations(), lambda index: self._draw(index).people.image)
