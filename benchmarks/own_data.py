"""The way of docs/use.md from an annotation file to a trained network, followed literally on exported drawings.

python benchmarks/own_data.py FOLDER [--labels yolo-pose]

Five keypoints of drawn people are exported as a COCO file, or as labels of YOLO, which `aemm convert-data` reads; `aemm
init`, `train` and `test` do the rest. The exit code is 1 where the AP on other drawings is below 0.80.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import yaml

from aemm.datasets import SyntheticPoseDataset
from aemm.formats.checkpoint import best_in

SKELETON = dict(
    name="five",
    keypoints=["nose", "left_wrist", "right_wrist", "left_ankle", "right_ankle"],
    sigmas=[0.026, 0.062, 0.062, 0.089, 0.089],
)
LEAST_AP = 0.80


def aemm(folder: Path, *words: str) -> str:
    """What a command prints."""
    command = [sys.executable, "-m", "aemm", *words]
    run = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if run.returncode:
        sys.exit(f"aemm {' '.join(words)} ended with {run.returncode}\n{run.stdout}")
    return run.stdout


def write_yolo(coco: Path, folder: Path) -> None:
    """The same drawings as a data set of YOLO: a line for each person, all numbers as shares of the image.

    Args:
        coco: folder of `annotations.json` and `images`, which are moved.
        folder: to write.
    """
    data = json.loads((coco / "annotations.json").read_text())
    lines: dict[int, list[str]] = {image["id"]: [] for image in data["images"]}
    sizes = {image["id"]: (image["width"], image["height"]) for image in data["images"]}
    for person in data["annotations"]:
        width, height = sizes[person["image_id"]]
        left, top, wide, high = person["bbox"]
        values = [0, (left + wide / 2) / width, (top + high / 2) / height, wide / width, high / height]
        points = iter(person["keypoints"])
        for x, y, seen in zip(points, points, points, strict=True):
            values += [x / width, y / height, seen]
        lines[person["image_id"]].append(" ".join(f"{value:g}" for value in values))
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for image in data["images"]:
        (coco / "images" / image["file_name"]).rename(folder / "images" / image["file_name"])
        (folder / "labels" / image["file_name"]).with_suffix(".txt").write_text("\n".join(lines[image["id"]]))
    names = SKELETON["keypoints"]
    about = dict(path=".", train="images", names={0: "person"}, kpt_shape=[len(names), 3], flip_idx=[0, 2, 1, 4, 3])
    (folder / "data.yaml").write_text(yaml.safe_dump(about | dict(kpt_names={0: names})))


def main() -> int:
    """Export, follow the page, measure on drawings that were not exported."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for drawings, configs and weights")
    parser.add_argument("--labels", choices=["coco", "yolo-pose"], default="coco", help="what the drawings come as")
    args = parser.parse_args()
    folder = args.folder.resolve()
    for name, length, seed in (("people", 1200, 5), ("others", 300, 6)):
        people = SyntheticPoseDataset(length, 128, people=(1, 4), seed=seed, skeleton=SKELETON, height=(0.7, 0.95))
        people.export_coco(folder / name)
    data = "people"
    if args.labels == "yolo-pose":
        write_yolo(folder / data, folder / "labelled")
    start = time.monotonic()
    if args.labels == "yolo-pose":
        data = "converted"
        print(aemm(folder, "convert-data", args.labels, "labelled/data.yaml", "--out", data))
    print(aemm(folder, "init", data, "--out", "five", "--yes"))
    aemm(folder, "train", "five/five.py", "--overwrite")
    minutes = (time.monotonic() - start) / 60
    others = [
        f"test_dataloader.dataset.ann_file={folder}/others/annotations.json",
        f"test_dataloader.dataset.img_dir={folder}/others/images",
    ]
    best = str(best_in(folder / "work_dirs/five"))
    shown = aemm(folder, "test", "five/five.py", best, "--cfg-options", *others)
    ap = float(re.findall(r"coco/AP: ([\d.]+)", shown)[-1])
    print(json.dumps(dict(labels=args.labels, minutes=round(minutes, 1), AP=ap)))
    return int(ap < LEAST_AP)


if __name__ == "__main__":
    sys.exit(main())
