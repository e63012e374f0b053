"""The command ``aemm-runtime``: what an exported model finds in images and folders, as json."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aemm.records import Instances
from aemm.runtime import Predictor
from aemm.runtime.pictures import find_pictures


def main(argv: Sequence[str] | None = None) -> int:
    """Predict, and write a json file.

    Args:
        argv: words of the command; by default those of the process.

    Returns:
        0, or 1 where an error ended it, which is described on stderr.
    """
    parser = argparse.ArgumentParser("aemm-runtime", description=__doc__)
    parser.add_argument("model", help="an onnx file, or the xml file of an IR, as aemm export writes them")
    parser.add_argument("input", nargs="+", help="images, and folders of images")
    parser.add_argument("--json", required=True, help="write what is found to this file, keypoints as x, y, score")
    parser.add_argument("--engine", choices=["onnxruntime", "openvino"], help="by default by the ending of the model")
    parser.add_argument("--providers", nargs="+", help="of ONNX Runtime, or the device of OpenVINO")
    parser.add_argument("--threads", type=int, help="of the CPU")
    parser.add_argument("--batch-size", type=int, default=1, help="images of one size that are looked at together")
    args = parser.parse_args(argv)
    try:
        predictor = Predictor(args.model, args.engine, args.providers, args.threads, args.batch_size)
        rows = [to_plain(found) for found in predictor(find_pictures(args.input))]
        Path(args.json).write_text(json.dumps(rows), encoding="utf-8")
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{sum(len(row['instances']) for row in rows)} instances in {len(rows)} images: {args.json}")
    return 0


def to_plain(found: Instances) -> dict[str, Any]:
    """What was found in an image as lists and numbers."""
    rows: list[dict[str, Any]] = [{"score": float(score)} for score in found.scores]
    if found.keypoints is not None:
        for row, points in zip(rows, found.keypoint_rows(), strict=True):
            row["keypoints"] = points
    for row, mask in zip(rows, found.masks or (), strict=False):
        row["mask"] = mask
    if found.labels is not None:
        for row, label in zip(rows, found.labels.tolist(), strict=True):
            row["label"] = label
    return {"image_id": found.image_id, "image_size": list(found.image_size), "instances": rows}


if __name__ == "__main__":
    sys.exit(main())
