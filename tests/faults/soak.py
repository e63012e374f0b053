"""Train and predict for an hour, and measure what of memory, open files and shared memory grows.

python -m tests.faults.soak --minutes 60
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from terminaltables import AsciiTable

from aemm.apis import Inferencer
from tests.end_to_end import ROOT, write_config

# Workers are started anew at every epoch, and every epoch is saved, validated and drawn.
ENDLESS = """
train_dataloader.update(num_workers=2)
val_dataloader.update(num_workers=1)
train_cfg = dict(max_epochs=1000000)
param_scheduler = [dict(type="MultiStepLR", milestones=[1000000], by_epoch=True)]
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(max_keep_ckpts=2))
custom_hooks = [dict(type="VisualizationHook", images=2)]
"""
BOUNDS = {"memory (MB)": 8.0, "open files": 0.5, "threads": 0.5, "shared memory (files)": 0.5}  # per hour


def measured(process: int | str) -> dict[str, float]:
    """What a process holds now: its own memory, open files, threads, and files in the machine's shared memory."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return {
        "memory (MB)": int(status["RssAnon"].split()[0]) / 1024,
        "open files": len(os.listdir(f"/proc/{process}/fd")),
        "threads": int(status["Threads"]),
        "shared memory (files)": len(os.listdir("/dev/shm")),
    }


def slope(seconds: np.ndarray, values: np.ndarray) -> float:
    """Growth per hour of the least that was held, since workers come and go: a line through the minima of 12 spans.

    Args:
        seconds: ``(N,)``, when it was measured.
        values: ``(N,)``.
    """
    spans = np.array_split(np.arange(len(values)), 12)
    middles, least = [seconds[span].mean() for span in spans], [values[span].min() for span in spans]
    return float(np.polyfit(np.array(middles) / 3600, least, 1)[0])


def samples(inferencer: Inferencer, training: subprocess.Popen, minutes: float) -> Iterator[tuple[float, dict, dict]]:
    """Predict, frame after frame, and measure both processes every few seconds; seconds, training, prediction."""
    start, pixels = time.monotonic(), np.random.default_rng(0)
    every = min(5.0, minutes)
    while (now := time.monotonic() - start) < minutes * 60:
        while time.monotonic() - start < now + every:
            inferencer(pixels.integers(0, 256, (64, 96, 3), np.uint8))
            time.sleep(0.05)  # the training is to have most of the processor
        if training.poll() is not None:
            raise SystemExit(f"the training ended with exit code {training.returncode}")
        yield now, measured(training.pid), measured("self")


def growth(rows: list[tuple[float, dict, dict]]) -> tuple[list[list[str]], list[str]]:
    """A table of what grew after the first quarter, and what of it grew beyond its bound.

    Args:
        rows: as ``samples`` gives them.
    """
    rows = rows[len(rows) // 4 :]
    seconds, table, faults = np.array([row[0] for row in rows]), [], []
    for column, name in enumerate(("training", "prediction"), start=1):
        for what, bound in BOUNDS.items():
            values = np.array([row[column][what] for row in rows])
            per_hour = slope(seconds, values)
            table.append([name, what, f"{values.min():.1f}", f"{values.max():.1f}", f"{per_hour:+.2f}"])
            if per_hour > bound:
                faults.append(f"{what} of the {name} grow by {per_hour:.2f} an hour, which is more than {bound}")
    return table, faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak_"))
    config, work_dir = write_config(folder, ENDLESS), folder / "run"
    command = [sys.executable, str(ROOT / "tools/train.py"), str(config), "--work-dir", str(work_dir)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with open(folder / "output.txt", "w") as log:
        training = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)
    try:
        while not (found := sorted(work_dir.glob("epoch_*.pth"))):
            if training.poll() is not None:
                raise SystemExit((folder / "output.txt").read_text()[-2000:])
            time.sleep(0.2)
        inferencer = Inferencer(str(config), str(found[0]))
        rows = list(samples(inferencer, training, args.minutes))
        epochs = max(int(path.stem.split("_")[1]) for path in work_dir.glob("epoch_*.pth"))
    finally:
        training.kill()
        training.wait()
    table, faults = growth(rows)
    print(f"{args.minutes:g} minutes, {epochs} epochs, measured {len(rows)} times; the first quarter is not counted")
    print(AsciiTable([["process", "what", "least", "most", "growth per hour"], *table]).table)
    if faults:
        raise SystemExit("\n".join([*faults, f"what the training wrote is in {folder}"]))
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
