"""Write a checkpoint for others, as ``aemm publish`` does.

python tools/checkpoint_tools/publish.py work_dirs/hrnet_w32_coco_512/best_coco_AP_epoch_300.pth hrnet_w32_coco_512
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("publish"))
