r"""Make a checkpoint ready for other keypoints, as ``aemm map-keypoints`` does.

python tools/checkpoint_tools/map_keypoints.py coco.pth configs/pose/hourglass4_coco_512.py \
    configs/pose/hourglass4_mpii_512_finetune.py work_dirs/hourglass4_coco_to_mpii.pth
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("map-keypoints"))
