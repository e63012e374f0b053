"""CrowdPose: COCO's format without the areas of people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aemm.datasets.coco_pose import CocoPoseDataset
from aemm.registry import DATASETS
from aemm.skeletons import Skeleton

_AREA_PER_BOX = 0.53  # as CrowdPose's own evaluation sizes people


@DATASETS.register_module()
class CrowdPoseDataset(CocoPoseDataset):
    """Keypoints of all people of an image, from CrowdPose's json files.

    They give no areas; that of a person is taken to be 0.53 times its box.

    Args:
        ann_file: the json file.
        img_dir: folder that the file names in it are relative to.
        data_root: put before ``ann_file`` and ``img_dir`` where these are relative.
        skeleton: the keypoint set.
        pipeline: transforms.
        test_mode: evaluation: all images take part, also those without people.
        only_with_keypoints: leave out images in which nobody has keypoints; by default in training only.
        on_unreadable: see :class:`~aemm.datasets.base.SampleDataset`.

    Raises:
        AnnotationError: listing every fault of the file.
    """

    def __init__(
        self,
        ann_file: str,
        img_dir: str,
        data_root: str = "",
        skeleton: str | Mapping[str, Any] | Skeleton = "crowdpose",
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        test_mode: bool = False,
        only_with_keypoints: bool | None = None,
        on_unreadable: str = "error",
    ) -> None:
        super().__init__(
            ann_file, img_dir, data_root, skeleton, pipeline, test_mode, only_with_keypoints, on_unreadable
        )

    def read(self) -> dict[str, Any]:
        """The file with an area for every box."""
        data = super().read()
        for person in data["annotations"]:
            box = person.get("bbox")
            if "area" not in person and isinstance(box, list) and len(box) == 4:
                person["area"] = _AREA_PER_BOX * box[2] * box[3]
        return data
