"""Export a trained model to a file that runs elsewhere, as ``aemm export`` does.

python tools/checkpoint_tools/export.py configs/pose/hourglass4_coco_512.py checkpoint.pth --format onnx
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("export"))
