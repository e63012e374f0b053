"""A data set that needs no file: people drawn on the fly, with exact ground truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from aemm.datasets.base import SampleDataset
from aemm.datasets.body import body_indices
from aemm.datasets.drawing import MAX_PEOPLE, People, add_noise, draw_background, draw_people
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
        test_mode: ``metainfo['annotations']`` carries the ground truth in COCO's format.
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
        self.length, self.image_size, self.people, self.seed = length, size, tuple(people), seed
        self.height, self.side_colors, self.with_masks = (height[0], height[1]), side_colors, with_masks
        self._annotations: dict[str, Any] | None = None

    def __len__(self) -> int:
        """Number of images."""
        return self.length

    def load(self, index: int) -> Sample:
        """Draw the image of ``(seed, index)`` with everything known about it.

        Raises:
            IndexError: there is no such image.
        """
        people = self._draw(index)
        count, height, width = people.masks.shape
        return Sample(
            image=people.image,
            image_id=index,
            image_size=(height, width),
            keypoints=people.keypoints,
            visible=people.visible,
            masks=people.masks if self.with_masks else None,
            labels=np.zeros(count, np.int64),
            ignore=np.zeros((height, width), bool),
            skeleton=self.keypoint_set,
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
    def metainfo(self) -> dict[str, Any]:
        """The skeleton and, in test mode, ``annotations`` as :meth:`coco_annotations` gives them."""
        return super().metainfo | ({"annotations": self.coco_annotations()} if self.test_mode else {})

    def coco_annotations(self) -> dict[str, Any]:
        """The whole ground truth as a COCO file would hold it, in plain types; made once, then kept.

        Segmentations are run-length encoded silhouettes, so ``area`` and ``bbox`` follow from them
        exactly. Coordinates are continuous, as everywhere: the centre of the first pixel is 0.5.
        """
        if self._annotations is None:
            height, width = self.image_size
            images: list[dict[str, Any]] = []
            annotations: list[dict[str, Any]] = []
            for index in range(self.length):
                images.append({"id": index, "file_name": f"{index:06d}.png", "height": height, "width": width})
                for row in describe_people(self._draw(index)):
                    # counted from 1: COCO's evaluation takes an annotation 0 for no match
                    annotations.append({"id": len(annotations) + 1, "image_id": index, "category_id": 1, **row})
            about = {"description": f"synthetic people, seed {self.seed}, {self.length} images"}
            self._annotations = {"info": about, "licenses": [], "images": images}
            self._annotations |= {"annotations": annotations, "categories": [person_category(self.keypoint_set)]}
        return self._annotations

    def export_coco(self, folder: str | Path) -> None:
        """Write the set as files: ``images/*.png`` and ``annotations.json``, readable by any COCO reader."""
        write_coco(folder, self.coco_annotations(), lambda index: self._draw(index).image)


def write_coco(folder: str | Path, truth: dict[str, Any], draw: Callable[[int], np.ndarray]) -> None:
    """Write ``images/*.png`` and ``annotations.json``.

    Args:
        folder: where to; it is made.
        truth: COCO-format annotations.
        draw: from the id of an image to the image, RGB.

    Raises:
        OSError: a file cannot be written.
    """
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for image in truth["images"]:
        if not cv2.imwrite(str(folder / "images" / image["file_name"]), draw(image["id"])[..., ::-1]):
            raise OSError(f"cannot write {folder / 'images' / image['file_name']}")
    (folder / "annotations.json").write_text(json.dumps(truth))


def person_category(skeleton: Skeleton) -> dict[str, Any]:
    """People as a category of a COCO file."""
    limbs = [[a + 1, b + 1] for a, b in skeleton.limbs]  # COCO counts keypoints from 1
    return {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(skeleton.keypoints),
        "skeleton": limbs,
    }


def mask_boxes(masks: np.ndarray) -> np.ndarray:
    """Boxes ``(N, 4) float32`` xyxy around masks ``(N, H, W)`` that are not empty."""
    across, down = np.asarray(masks.any(1)), np.asarray(masks.any(2))  # (N, W), (N, H)
    first = [across.argmax(1), down.argmax(1)]
    last = [axis.shape[1] - axis[:, ::-1].argmax(1) for axis in (across, down)]
    return np.stack(first + last, axis=1).astype(np.float32)


def describe_people(people: People) -> Iterator[dict[str, Any]]:
    """What COCO says of each person, identifiers aside."""
    for keypoints, visible, mask, box in zip(*people[1:], mask_boxes(people.masks).tolist(), strict=True):
        flat = mask.ravel(order="F")  # COCO runs down the columns
        edges = np.flatnonzero(np.diff(flat, prepend=False))
        points = keypoints.astype(float).round(3).tolist()
        yield {
            "keypoints": [n for xy, v in zip(points, visible.tolist(), strict=True) for n in (*xy, v)],
            "num_keypoints": int((visible > 0).sum()),
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "area": float(mask.sum()),
            "segmentation": {"counts": np.diff(edges, prepend=0, append=flat.size).tolist(), "size": list(mask.shape)},
            "iscrowd": 0,
        }
