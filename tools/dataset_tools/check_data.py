"""Check data sets before training, as ``aemm check-data`` does.

python tools/dataset_tools/check_data.py configs/pose/hourglass4_coco_512.py
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("check-data"))
