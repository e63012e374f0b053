"""Parameters and multiply-adds of networks, as ``aemm complexity`` counts them.

python tools/analysis_tools/complexity.py --size 512 512 configs/pose/hrnet_w32_coco_512.py
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("complexity"))
