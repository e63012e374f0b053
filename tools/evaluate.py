"""Score predictions that were saved, as ``aemm evaluate`` does.

python tools/evaluate.py found.json configs/pose/hourglass4_coco_512.py
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("evaluate"))
