"""Convert the authors' checkpoint.pth.tar, as ``aemm convert --layout newell`` does.

python tools/checkpoint_tools/convert_newell.py checkpoint.pth.tar configs/pose/hourglass4_coco_512.py newell.pth
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("convert", ["--layout", "newell"]))
