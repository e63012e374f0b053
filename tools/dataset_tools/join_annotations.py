"""Join COCO-format annotation files, such as CrowdPose's training and validation parts.

python tools/dataset_tools/join_annotations.py data/crowdpose/json/crowdpose_train.json \
    data/crowdpose/json/crowdpose_val.json --out data/crowdpose/json/crowdpose_trainval.json
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from aemm.cli.outcome import ExitCode, run


def main() -> ExitCode:
    """Read the arguments, join, say what was joined."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="json files with the same categories and different images")
    parser.add_argument("--out", type=Path, required=True, help="json file to write")
    args = parser.parse_args()

    from aemm.engine.outputs import check_file
    from aemm.formats.files import write_json
    from aemm.formats.joining import join_files

    check_file(args.out, "--out", *args.files)
    data, renumbered = join_files(args.files)
    write_json(args.out, data)
    held = ", ".join(f"{len(data[key])} {key}" for key in ("images", "annotations"))
    print(f"{args.out}: {held} of {len(args.files)} files")
    if renumbered:
        print("annotations are numbered anew, since some of different files had the same id")
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(run(main))
