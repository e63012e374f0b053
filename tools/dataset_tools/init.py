"""Write a skeleton and a config for keypoints of your own, as ``aemm init`` does.

python tools/dataset_tools/init.py birds/annotations.json --out birds
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("init"))
