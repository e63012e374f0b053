"""All benchmarks of time on a CPU, one after the other, and a report of their tables.

python benchmarks/run_all.py [--minutes 10] [--report benchmarks/report.md]
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from timing import SUMMARY, machine, split_summary

HERE = Path(__file__).resolve().parent
SCRIPTS = (  # those with rows of the summary come first
    "photo_loading.py",
    "worker_loading.py",
    "target_drawing.py",
    "decoding.py",
    "whole_prediction.py",
    "evaluation.py",
    "annotations.py",
    "starting.py",
    "drawing.py",
    "instance_decoding.py",
    "image_checks.py",
    "data_loading.py",
    "sharded_loading.py",
    "grouping_loss.py",
    "instance_loss.py",
    "checkpoint_writing.py",
    "training_step.py",
    "scaling.py",
)
PACKAGES = (
    "numpy",
    "opencv-python",
    "opencv-python-headless",
    "torch",
    "mmengine",
    "mmcv",
    "hotcoco",
    "mmpose",
    "orjson",
    "fsspec",
)


def versions() -> str:
    """Python and the packages that are there."""
    found = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def run(script: str, seconds: float) -> str:
    """What a script prints, or why it printed nothing.

    Args:
        script: in this folder.
        seconds: it may take.
    """
    if seconds <= 0:
        return "left out: the time was up"
    paths = [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    place = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONWARNINGS": "ignore"}
    place.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the commands of aemm have it
    try:
        done = subprocess.run(
            [sys.executable, str(HERE / script)],
            cwd=HERE.parent,
            env=place,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"stopped after {seconds:.0f} s: the time was up"
    if done.returncode:
        return f"ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}"
    return done.stdout.strip()


def _head(rows: list[str], notes: list[str]) -> list[str]:
    """The first paragraphs of the report: machine, versions and date, and the summary of all scripts."""
    table = ["| " + " | ".join(SUMMARY) + " |", "|---" * len(SUMMARY) + "|", *rows]
    parts = ["# Benchmarks", f"{machine()}. {versions()}. {datetime.date.today():%d %B %Y}.", "## Summary"]
    parts += ["Times are CPU time unless a row says otherwise; a ratio is the median over pairs.", "\n".join(table)]
    return [*parts, "### Below their bars", "\n".join(f"- {note}" for note in notes)] if notes else parts


def main() -> int:
    """Run them, write the report, and say by the exit code whether all of them came to an end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="for all together")
    parser.add_argument("--report", type=Path, default=HERE / "report.md")
    args = parser.parse_args()
    end = time.monotonic() + 60 * args.minutes
    parts: list[str] = []
    rows: list[str] = []
    notes: list[str] = []
    failed = []
    for script in SCRIPTS:
        print(f"{script} ...", flush=True)
        start = time.monotonic()
        printed = run(script, end - start)
        if printed.startswith(("left out", "stopped", "ended")):
            failed.append(script)
        print(printed, flush=True)
        told, why, rest = split_summary(printed)
        rows += told
        notes += why
        parts.append(f"## {script}, {time.monotonic() - start:.0f} s\n\n```text\n{rest}\n```")
    args.report.write_text("\n\n".join([*_head(rows, notes), *parts]) + "\n")
    print(f"written to {args.report}" + (f"; without {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
