"""Run a step of training again that was not finite, as ``aemm replay`` does.

python tools/analysis_tools/replay.py work_dirs/run/non_finite_iter_1234.pth configs/pose/hourglass4_coco_512.py
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("replay"))
