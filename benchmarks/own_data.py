"""The way of docs/use.md from an annotation file to a trained network, followed literally on exported drawings.

python benchmarks/own_data.py FOLDER

Five keypoints of drawn people are exported as a COCO file; `aemm init`, `train` and `test` do the rest. The exit code
is 1 where the AP on other drawings is below 0.80.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

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


def main(folder: Path) -> int:
    """Export, follow the page, measure on drawings that were not exported."""
    for name, length, seed in (("people", 1200, 5), ("others", 300, 6)):
        people = SyntheticPoseDataset(length, 128, people=(1, 4), seed=seed, skeleton=SKELETON, height=(0.7, 0.95))
        people.export_coco(folder / name)
    start = time.monotonic()
    print(aemm(folder, "init", "people", "--out", "five", "--yes"))
    aemm(folder, "train", "five/five.py", "--overwrite")
    minutes = (time.monotonic() - start) / 60
    others = [
        f"test_dataloader.dataset.ann_file={folder}/others/annotations.json",
        f"test_dataloader.dataset.img_dir={folder}/others/images",
    ]
    best = str(best_in(folder / "work_dirs/five"))
    shown = aemm(folder, "test", "five/five.py", best, "--cfg-options", *others)
    ap = float(re.findall(r"coco/AP: ([\d.]+)", shown)[-1])
    print(json.dumps(dict(minutes=round(minutes, 1), AP=ap)))
    return int(ap < LEAST_AP)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
