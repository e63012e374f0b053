r"""Convert a published checkpoint, as ``aemm convert`` does.

python tools/checkpoint_tools/convert.py --layout higherhrnet pose_higher_hrnet_w32_512.pth \
    configs/pose/higherhrnet_w32_coco_512.py higherhrnet_w32.pth
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("convert"))
