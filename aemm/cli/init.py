"""Write a skeleton and a config for keypoints of your own."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aemm.cli.arguments import count, scale
from aemm.cli.outcome import ExitCode

if TYPE_CHECKING:
    from aemm.engine.own_data import OwnData, Plan

EXAMPLES = ("birds/annotations.json", "birds.json --images photos --out birds --epochs 50 --yes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which data, where to, and what is not to follow from the data."""
    parser.add_argument("data", help="annotations in COCO's keypoint format, or the folder that holds them")
    parser.add_argument("--images", help="folder of the images; default beside the annotations")
    parser.add_argument("--category", help="which objects, where several have keypoints")
    parser.add_argument("--out", help="folder for what is written; default the name of the data")
    parser.add_argument("--network", choices=["hourglass", "mobilenet_v2"], default="hourglass", help=_NETWORK)
    parser.add_argument("--size", type=count, help="of the network's input, pixels; default from the images")
    parser.add_argument("--epochs", type=count, help="default from the number of images")
    parser.add_argument("--val", type=scale, default=0.1, help="share of the images that validate (default 0.1)")
    parser.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="train on mirror images, too; default unless left and right differ in colour",
    )
    parser.add_argument("--yes", action="store_true", help="take the pairs of left and right as they were found")
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier call wrote")


_NETWORK = "a small hourglass from nothing (default), or MobileNetV2 from ImageNet weights, which it downloads"


def main(args: argparse.Namespace) -> ExitCode:
    """Look, ask, write."""
    if args.val >= 1:
        args.parser.error(f"--val must be below 1, got {args.val}")
    if args.size and args.size % 64:
        args.parser.error(f"--size must be a multiple of 64, got {args.size}")
    from aemm.engine.outputs import check_folder
    from aemm.engine.own_data import make_plan, read_own_data, write_own_data
    from aemm.formats.own_set import set_name

    own = read_own_data(args.data, args.images, args.category)
    folder = Path(args.out or set_name(own.path))
    name = folder.resolve().name
    _check_free(own.path, folder, name, args.overwrite)
    check_folder(folder, "--out")
    _show_data(own)
    if not args.yes and not _confirmed(args.parser):
        print(f'nothing written; correct the names in {own.path}, or the "flip_index" in skeleton.json afterwards')
        return ExitCode.USAGE
    plan = make_plan(own, args.network, args.size, args.epochs, args.flip, args.val)
    written = write_own_data(own, plan, folder, name)
    _show_plan(own, plan, args.flip)
    print(f"written: {written}, and beside it skeleton.json, train.json and val.json\nnext:")
    for words in (["browse", str(written), "--out-dir", f"{folder}/pictures"], ["train", str(written)]):
        print(f"  aemm {shlex.join(words)}")
    return ExitCode.DONE


def _check_free(data: Path, folder: Path, name: str, overwrite: bool) -> None:
    """Raise where something would be replaced that must not be."""
    files = [folder / file for file in (f"{name}.py", "skeleton.json", "train.json", "val.json")]
    there = [file for file in files if file.exists()]
    if any(file.samefile(data) for file in there):
        raise FileExistsError(f"{data} would be replaced by a part of itself; give another folder by --out")
    if there and not overwrite:
        raise FileExistsError(f"{', '.join(map(str, there))} exist; give another folder by --out, or --overwrite")


def _show_data(own: OwnData) -> None:
    people = int(own.file.annotated.sum())
    print(f"{own.path}: {len(own.file.images)} images in {own.images}, {people} of {own.category!r} with keypoints")
    for notice in own.file.notices:
        print(f"  note: {notice.text}")
    print(f"{len(own.skeleton)} keypoints, each with its OKS constant (0.025 exact as an eye, 0.107 vague as a hip):")
    for name, sigma in zip(own.skeleton.keypoints, own.skeleton.sigmas, strict=True):
        print(f"  {name} {sigma}")
    if own.pairs:
        print("in a mirror image these swap, and all others stay what they are:")
        for left, right in own.pairs:
            print(f"  {left} <-> {right}")
    else:
        print("in a mirror image all keypoints stay what they are")
    for doubt in own.doubts:
        print(f"  note: {doubt}")


def _confirmed(parser: argparse.ArgumentParser) -> bool:
    if not sys.stdin.isatty():
        parser.error("nobody is there to confirm the pairs; look at them above and give --yes")
    return input("Is that right? [Y/n] ").strip().lower() in ("", "y", "yes")


def _show_plan(own: OwnData, plan: Plan, flip: bool | None) -> None:
    from aemm.engine.own_data import distinct_sides

    mirrored = "mirror images, too" if plan.flip else "no mirror images"
    if flip is None and not plan.flip:
        mirrored += (
            f", since {', '.join(distinct_sides(own))} differ in colour from the other side (--flip overrules it)"
        )
    held_out = own.held_out or f"{plan.validation:.0%} of the images"
    print(
        f"{plan.network} at {plan.size} px, {plan.epochs} epochs with batches of {plan.batch}, {mirrored}; "
        f"validation on {held_out}"
    )
