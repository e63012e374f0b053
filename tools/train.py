"""Train a model from a config, as ``aemm train`` does.

python tools/train.py configs/synthetic/pose_hourglass_tiny_128.py
bash tools/dist_train.sh configs/pose/hourglass4_coco_512.py 8
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("train"))
