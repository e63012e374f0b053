"""List recipes and get published weights, as ``aemm models`` does.

python tools/checkpoint_tools/models.py get pose/higherhrnet_w32_coco_512
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("models"))
