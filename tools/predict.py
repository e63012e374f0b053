"""Predict images, folders and videos, as ``aemm predict`` does.

python tools/predict.py configs/pose/hourglass4_coco_512.py checkpoint.pth photos holiday.mp4 --out-dir pictures
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("predict"))
