"""What detection and what grouping cost, as ``aemm oracle`` tells.

python tools/analysis_tools/oracle.py configs/synthetic/pose_hourglass_tiny_128.py work_dirs/demo/best.pth
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("oracle"))
