"""Evaluate a checkpoint, as ``aemm test`` does.

python tools/test.py configs/synthetic/pose_hourglass_tiny_128.py work_dirs/demo/best.pth --report report
bash tools/dist_test.sh configs/pose/hourglass4_coco_512.py checkpoint.pth 8
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("test"))
