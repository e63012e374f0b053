"""Try a config out before a training is started with it, as ``aemm check`` does.

python tools/analysis_tools/check_config.py configs/synthetic/pose_hourglass_tiny_128.py --picture first_batch.png
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("check"))
