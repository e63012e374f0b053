"""Pack the images of an annotation file into indexed tar files, as ``aemm pack`` does.

python tools/dataset_tools/pack.py annotations/person_keypoints_val2017.json val2017 shards/val2017
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("pack"))
