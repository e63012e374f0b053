"""Convert annotations of labelling tools to COCO files and skeletons."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from aemm.cli.outcome import ExitCode

if TYPE_CHECKING:
    from aemm.formats.labels import LabelledSet, Written

EXAMPLES = (
    "yolo-pose tigers/data.yaml --out converted",
    "cvat annotations.xml --images photos --out converted",
)
FORMATS = ("yolo-pose", "labelme", "label-studio", "cvat", "coco-points", "sleap", "deeplabcut")
_SHOWN_PAIRS = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is converted, and where to."""
    parser.add_argument("format", choices=FORMATS, metavar="FORMAT", help="of the annotations: %(choices)s")
    parser.add_argument(
        "input",
        help="data.yaml of YOLO, folder or file of labelme, json of Label Studio, xml of CVAT for images 1.1, json of "
        "one point in each annotation, .slp of SLEAP, config.yaml or csv of DeepLabCut",
    )
    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument("--images", help="folder of the images, where they are not beside the input")


def main(args: argparse.Namespace) -> ExitCode:
    """Convert, and say what was read, changed and left out."""
    if args.images and args.format in ("sleap", "deeplabcut"):
        args.parser.error(f"--images is not for {args.format}, whose files name their images")
    from aemm.engine.outputs import check_folder
    from aemm.formats.labels import write_labelled

    check_folder(args.out, "--out")
    found = _read(args)
    written = write_labelled(found, args.out)
    _print(found, written)
    return ExitCode.LEFT_OUT if +found.dropped else ExitCode.DONE


def _read(args: argparse.Namespace) -> LabelledSet:
    from aemm.formats.labels import coco_points, cvat, label_studio, labelme, sleap, yolo

    if args.format in ("sleap", "deeplabcut"):
        read = sleap.read_sleap if args.format == "sleap" else sleap.read_deeplabcut
        return read(args.input, str(Path(args.out) / "images"))
    readers = dict(zip(FORMATS, (yolo, labelme, label_studio, cvat, coco_points), strict=False))
    return readers[args.format].read(args.input, args.images)


def _print(found: LabelledSet, written: list[Written]) -> None:
    for title, counts in (("read", found.read), ("changed", found.changed), ("left out", found.dropped)):
        print(f"{title}:{'' if +counts else ' nothing'}")
        for what, count in (+counts).items():
            print(f"{count:8d} {what}")
    for line in found.lost:
        print(f"  {line}")
    for one in {file.skeleton_file: file for file in written}.values():
        pairs = one.pairs()
        listed = ", ".join(f"{a} - {b}" for a, b in pairs[:_SHOWN_PAIRS])
        more = f" and {len(pairs) - _SHOWN_PAIRS} more" if len(pairs) > _SHOWN_PAIRS else ""
        print(f"{one.skeleton_file}: {len(one.skeleton)} keypoints of {one.category!r}, {len(pairs)} pairs of sides")
        print(f"  pairs: {listed}{more}" if pairs else "  no keypoint has a counterpart")
        for note in one.notes:
            print(f"  {note}")
        if one.guessed:
            print(f"  sigmas of {', '.join(one.guessed)} are guessed; set them in the file, since OKS depends on them")
    for one in written:
        print(f"{one.ann_file}: {one.images} images, {one.objects} objects, {one.points} points")
        print(
            f"  dict(type='CocoPoseDataset', ann_file={one.ann_file!r}, img_dir={one.img_dir!r}, "
            f"skeleton={one.skeleton_file!r})"
        )
