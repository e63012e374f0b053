"""A data set that needs no file: people drawn on the fly, with exact ground truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aemm.datasets.base import SampleDataset
from aemm.datasets.synthetic.body import body_indices
from aemm.datasets.synthetic.drawing import MAX_PEOPLE, People, add_noise, draw_background, draw_people
from aemm.formats.coco import describe_set, write_set
from aemm.ops.masks import encode_masks, mask_areas, mask_boxes
from aemm.records import DatasetInfo, Truth
from aemm.registry import DATASETS
from aemm.skeletons import Skeleton
from aemm.structures import Sample


@DATASETS.register_module()
class SyntheticPoseDataset(SampleDataset):
    """Articulated people over textured clutter, one image for every ``(seed, index)``.

    People overlap, stick out of the image, turn away and sit down. Larger ones stand in front;
    keypoints that something covers are annotated as hidden. Every person can be told to be there.

    With ``side_colors`` everybody wears one uniform, each piece of it a hue of its own, warm on the
    left and cool on the right, which a small network learns quickly; but a mirror image then calls
    cool limbs left: train and test without flips. With
    ``side_colors=False`` left and right follow from face and body as in photographs; flips are fine.

    Args:
        length: number of images.
        image_size: side of the image, or ``(height, width)``, pixels.
        people: fewest and most people in an image.
        seed: another seed is another set; give training and validation different ones.
        skeleton: name, dict or json file of the keypoint set.
        pipeline: transforms as configs or callables.
        test_mode: the samples are evaluated, so each carries its truth.
        height: smallest and largest stature, as a share of the image's shorter side.
        side_colors: dress left limbs in warm colours and right limbs in cool ones.
        with_masks: samples hold the visible silhouette of everybody.
        cache: keep what was drawn, about 50 kB for an image of 128 px and more with masks.

    Raises:
        ValueError: sizes or counts out of range, or keypoints that the drawn body does not have.
    """

    def __init__(
        self,
        length: int,
        image_size: int | tuple[int, int] = 128,
        people: tuple[int, int] = (1, 4),
        seed: int = 0,
        skeleton: str | Mapping[str, Any] | Skeleton = "coco",
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        test_mode: bool = False,
        height: tuple[float, float] = (0.45, 0.95),
        side_colors: bool = True,
        with_masks: bool = False,
        cache: bool = False,
    ) -> None:
        super().__init__(pipeline=pipeline, skeleton=skeleton, test_mode=test_mode, cache=cache)
        size = (image_size, image_size) if isinstance(image_size, int) else (image_size[0], image_size[1])
        if length < 0:
            raise ValueError(f"length must be 0 or more, got {length}")
        if min(size) < 32:
            raise ValueError(f"image_size must be at least 32 pixels, got {image_size}; smaller people are mere blots")
        if len(people) != 2 or not 0 <= people[0] <= people[1] <= MAX_PEOPLE:
            raise ValueError(f"people must be (fewest, most) within 0..{MAX_PEOPLE}, got {people}")
        if len(height) != 2 or not 0 < height[0] <= height[1]:
            raise ValueError(f"height must be (smallest, largest) stature, positive shares of the image, got {height}")
        body_indices(self.keypoint_set)
        self.length = length
        self.image_size = size
        self.people = tuple(people)
        self.seed = seed
        self.height = (height[0], height[1])
        self.side_colors = side_colors
        self.with_masks = with_masks

    def __len__(self) -> int:
        """Number of images."""
        return self.length

    def load(self, index: int) -> Sample:
        """Draw the image of ``(seed, index)`` with everything known about it.

        Raises:
            IndexError: there is no such image.
        """
        people = self._draw(index)
        return Sample(
            image=people.image,
            image_id=index,
            image_size=self.image_size,
            keypoints=people.keypoints,
            visible=people.visible,
            masks=people.masks if self.with_masks else None,
            labels=np.zeros(len(people.masks), np.int64),
            ignore=np.zeros(self.image_size, bool),
            skeleton=self.keypoint_set,
            truth=truth_of(people, index, self.with_masks) if self.test_mode else None,
        )

    def _draw(self, index: int) -> People:
        if not 0 <= index < self.length:
            raise IndexError(f"index {index} is outside a data set of {self.length} images")
        rng = np.random.default_rng(np.random.SeedSequence((self.seed, index)))
        count = int(rng.integers(self.people[0], self.people[1] + 1))
        scene = draw_background(rng, self.image_size)
        people = draw_people(rng, scene, count, self.keypoint_set, self.height, self.side_colors)
        return people._replace(image=add_noise(rng, people.image))

    @property
    def metainfo(self) -> DatasetInfo:
        """The keypoint set of drawn people."""
        return DatasetInfo(f"drawn people, seed {self.seed}", self.keypoint_set, ("person",), (1,))

    def coco_annotations(self) -> dict[str, Any]:
        """All that is true of the set as a COCO file holds it, in plain types.

        Segmentations are run-length encoded silhouettes, so ``area`` and ``bbox`` follow from them
        exactly. Coordinates are continuous, as everywhere: the centre of the first pixel is 0.5.
        """
        truths = (truth_of(self._draw(index), index, with_masks=True) for index in range(self.length))
        return describe_set(truths, self.metainfo)

    def export_coco(self, folder: str | Path) -> None:
        """Write the set as files: ``images/*.png`` and ``annotations.json``, readable by any COCO reader."""
        write_set(folder, self.coco_annotations(), lambda index: self._draw(index).image)


def truth_of(people: People, image_id: int, with_masks: bool = False) -> Truth:
    """What is true of drawn people: areas and boxes are those of their visible silhouettes.

    Args:
        people: as drawn.
        image_id: of the image.
        with_masks: keep the silhouettes, too.
    """
    count, height, width = people.masks.shape
    masks = encode_masks(people.masks)
    return Truth(
        image_id=image_id,
        image_size=(height, width),
        keypoints=people.keypoints,
        visible=people.visible,
        masks=masks if with_masks else None,
        labels=np.zeros(count, np.int64),
        area=mask_areas(masks).astype(float),
        boxes=mask_boxes(masks),
        crowd=np.zeros(count, bool),
    )
