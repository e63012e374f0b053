"""CrowdPose: COCO's format without the areas of people."""

from __future__ import annotations

from aemm.datasets.coco_pose import CocoPoseDataset
from aemm.formats.categories import CategoryChoice
from aemm.formats.crowdpose import AREA_PER_BOX
from aemm.formats.keypoint_file import KeypointFile
from aemm.registry import DATASETS


@DATASETS.register_module()
class CrowdPoseDataset(CocoPoseDataset):
    """Keypoints of all people of an image, from CrowdPose's json files.

    As :class:`CocoPoseDataset`, with the keypoint set 'crowdpose' by default. The files give no areas;
    that of a person is taken to be 0.53 times its box.
    """

    default_skeleton = "crowdpose"

    def read(self, choice: CategoryChoice, area_per_box: float | None) -> KeypointFile:
        """The file with an area for every box."""
        return super().read(choice, AREA_PER_BOX if area_per_box is None else area_per_box)
