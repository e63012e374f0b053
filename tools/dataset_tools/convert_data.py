"""Convert annotations of labelling tools to COCO files and skeletons, as ``aemm convert-data`` does.

python tools/dataset_tools/convert_data.py yolo-pose tigers/data.yaml --out converted
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("convert-data"))
