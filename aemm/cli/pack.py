"""Pack the images of an annotation file into indexed tar files, which a training reads in any order."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from aemm.cli.arguments import count
from aemm.cli.outcome import ExitCode

EXAMPLES = (
    "annotations/person_keypoints_train2017.json train2017 shards/train2017",
    "annotations/person_keypoints_val2017.json val2017 shards/val2017 --shard-mb 64",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is packed, and where to."""
    parser.add_argument("ann_file", help="COCO-format annotation file")
    parser.add_argument("img_dir", help="folder of its images, or its address")
    parser.add_argument("out_dir", help="folder for the tar files; it must hold none")
    parser.add_argument("--shard-mb", type=count, default=256, help="megabytes of a tar file (default 256)")
    parser.add_argument("--allow-outside", action="store_true", help="take file names that lead out of img_dir, too")


def main(args: argparse.Namespace) -> ExitCode:
    """Pack them, and say how a config names them."""
    from aemm.engine.outputs import check_folder
    from aemm.formats.image_folder import ImageFolder
    from aemm.formats.listed import AnnotationSource
    from aemm.formats.listing import list_rows
    from aemm.formats.packing import pack_images

    check_folder(args.out_dir, "out_dir")
    source = AnnotationSource(args.ann_file, ImageFolder(args.img_dir, allow_outside=args.allow_outside))
    packed = pack_images(source, Path(args.out_dir), args.shard_mb * 2**20)
    print(f"{packed.images} images, {packed.size / 2**20:.1f} MB, in {len(packed.shards)} shards")
    print(f"ann_file stays; img_dir={packed.address!r}")
    if packed.left_out:
        print(f"{len(packed.left_out)} images are left out:", *list_rows(packed.left_out), sep="\n", file=sys.stderr)
        return ExitCode.LEFT_OUT
    return ExitCode.DONE
