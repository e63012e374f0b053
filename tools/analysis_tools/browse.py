"""Draw what a network is shown and asked for, as ``aemm browse`` does.

python tools/analysis_tools/browse.py configs/synthetic/pose_hourglass_tiny_128.py --limit 5
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("browse"))
