"""The command ``aemm-runtime``: what an exported model finds in images and folders, as json."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from aemm.records import to_plain
from aemm.runtime import DeployedModelError, Predictor, thin
from aemm.runtime.pictures import find_pictures, read_picture
from aemm.runtime.thinning import Twice

DONE, FAULT, LEFT_OUT = 0, 1, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Predict, and write a json file.

    Args:
        argv: words of the command; by default those of the process.

    Returns:
        0; 1 where an error ended it, which is described on stderr; or 3 where images were left out, which are listed
        there and in the file.
    """
    args = _parser().parse_args(argv)
    try:
        pictures = find_pictures(args.input)
        target = checked_target(args.json, [*map(str, pictures), args.model])
        settings = (args.engine, args.providers, args.threads, args.batch_size)
        predictor = Predictor(args.model, *settings, contract=args.contract)
        found = predict(predictor, pictures, args.nms, args.min_score)
        beside = target.with_name(f"{target.name}.part")
        beside.write_text(json.dumps(found), encoding="utf-8")
        beside.replace(target)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return FAULT
    rows, left_out = found["images"], found["left_out"]
    print(f"{sum(len(row['instances']) for row in rows)} instances in {len(rows)} images: {target}")
    for lost in left_out:
        print(f"left out: {lost['reason']}", file=sys.stderr)
    return LEFT_OUT if left_out else DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("aemm-runtime", description=__doc__)
    parser.add_argument("model", help="an onnx file, or the xml file of an IR, as aemm export writes them")
    parser.add_argument("input", nargs="+", help="images, and folders of images")
    parser.add_argument(
        "--json",
        required=True,
        help="write what is found to this file, keypoints as [x, y, score], as aemm predict does",
    )
    parser.add_argument("--engine", choices=["onnxruntime", "openvino"], help="by default by the ending of the model")
    parser.add_argument(
        "--contract",
        choices=["aemm", "openvino"],
        help="openvino: a network of Open Model Zoo's form, whose file says nothing of itself; by default as it says",
    )
    parser.add_argument("--providers", nargs="+", help="of ONNX Runtime, or the device of OpenVINO")
    parser.add_argument("--threads", type=count, help="of the CPU")
    parser.add_argument("--batch-size", type=count, default=1, help="images of one size that are looked at together")
    parser.add_argument(
        "--nms",
        choices=["hard", "soft", "off"],
        default="hard",
        help="of poses that lie on each other keep the best, lower the others' scores, or keep all; default hard",
    )
    parser.add_argument("--min-score", type=share, default=0.1, help="leave out instances below it; default 0.1")
    return parser


def share(text: str) -> float:
    """A number from 0 to 1, as argparse reads it.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, got {text!r}")
    return value


def count(text: str) -> int:
    """A whole number from 1, as argparse reads it.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, got {text!r}")
    return int(text)


def checked_target(path: str, sources: Sequence[str]) -> Path:
    """A file to write to, whose folder is made if there is none.

    Args:
        path: of it.
        sources: files that are read, so that it must be none of them.

    Raises:
        OSError: nothing can be written there.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a file; choose another --json")
    if target.exists() and any(Path(source).exists() and target.samefile(source) for source in sources):
        raise FileExistsError(f"{path} is also what is read; choose another --json")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(f"{target.parent} cannot be written to; choose another --json")
    return target


def predict(predictor: Predictor, pictures: Sequence[Path], nms: Twice, min_score: float) -> dict[str, Any]:
    """What is in image files, in the form of ``aemm predict --json``; those that cannot be read are left out.

    Args:
        predictor: of the exported model.
        pictures: the files.
        nms: see :func:`aemm.runtime.thin`, as for the next.
        min_score: see there.
    """
    names: list[str] = []
    left_out: list[dict[str, str]] = []

    def images() -> Iterator[np.ndarray]:
        for path in pictures:
            try:
                image = read_picture(path)
            except (DeployedModelError, OSError) as error:
                left_out.append({"input": str(path), "reason": str(error)})
                continue
            names.append(str(path))
            yield image

    thinned = (thin(found, predictor.skeleton, nms, min_score) for found in predictor(images()))
    rows = [to_plain(replace(found, image_id=names[int(found.image_id)])) for found in thinned]
    skeleton = None if predictor.skeleton is None else predictor.skeleton.to_dict()
    return {"skeleton": skeleton, "images": rows, "left_out": left_out, "complete": True}


if __name__ == "__main__":
    sys.exit(main())
