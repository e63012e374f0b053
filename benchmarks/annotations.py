"""An annotation file as large as COCO's of training: seconds to read it, memory, and what workers add to it.

python benchmarks/annotations.py [--images 118287]
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import re
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import MMLogger
from timing import Bar, Row, peer, print_table, summarise

from aemm.datasets import CocoPoseDataset
from aemm.skeletons import SKELETONS

WORKERS = {"fork": 8, "spawn": 2}  # those started anew take seconds each to import what they need
SHARE = 8  # of its images a worker looks at one in so many, which touches every page of memory all the same


def write_file(folder: Path, images: int, people: int) -> None:
    """A file whose people have a polygon of 20 corners; every other one has 17 keypoints, the others none."""
    rng = np.random.default_rng(0)
    corners = [json.dumps([rng.uniform(10, 400, 40).round(2).tolist()]) for _ in range(50)]
    points = np.concatenate([rng.integers(10, 400, (50, 17, 2)), rng.integers(1, 3, (50, 17, 1))], axis=2)
    found = [f'{row}, "num_keypoints": 17' for row in points.reshape(50, 51).tolist()]
    absent = f'{[0] * 51}, "num_keypoints": 0'
    entries = [dict(id=n, file_name=f"{n:012d}.jpg", width=640, height=480) for n in range(images)]
    same = '"category_id": 1, "iscrowd": 0, "area": 900.5, "bbox": [10.5, 10, 390, 390]'
    rows = ", ".join(
        f'{{"id": {n + 1}, "image_id": {n * images // people}, {same}, "segmentation": {corners[n % 50]}, '
        f'"keypoints": {found[n % 50] if n % 2 else absent}}}'
        for n in range(people)
    )
    category = dict(id=1, name="person", keypoints=list(SKELETONS["coco"].keypoints), skeleton=[])
    rest = json.dumps(dict(images=entries, categories=[category]))
    (folder / "people.json").write_text(f'{rest[:-1]}, "annotations": [{rows}]}}')
    (folder / "images").mkdir()
    for entry in entries:
        (folder / "images" / entry["file_name"]).touch()


def memory(kind: str) -> float:
    """Megabytes of this process of a kind that Linux counts: Rss, or Private_Dirty, which nobody shares."""
    found = re.search(rf"^{kind}:\s+(\d+)", Path("/proc/self/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else float("nan")


def work(data: Any, first: int, step: int, answers: Any, together: Any) -> None:
    """Look at every so many images, as a worker does, and tell by how much private memory grew.

    Memory that several share counts as private to the only one that is left, so all wait until each has looked.
    """
    before = memory("Private_Dirty")
    for i in range(first, len(data), step):
        data.file.keypoints[data.learnt(i)].astype(np.float32)
        data.ignored(i)
    together.wait()
    grown = memory("Private_Dirty") - before
    together.wait()
    answers.put(grown)


def growth(data: Any, method: str) -> float:
    """Largest growth of private memory of the workers, megabytes."""
    context = multiprocessing.get_context(method)
    count = WORKERS[method]
    answers, together = context.Queue(), context.Barrier(count)
    workers = [
        context.Process(target=work, args=(data, first, SHARE * count, answers, together)) for first in range(count)
    ]
    for worker in workers:
        worker.start()
    grown = [answers.get() for _ in workers]
    for worker in workers:
        worker.join()
    return max(grown)


def main() -> None:
    """Write a file, read it and let workers look at it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=118_287)
    images = parser.parse_args().images
    people = round(images * 254_000 / 118_287)
    MMLogger.get_current_instance().setLevel("ERROR")
    orjson = peer("orjson")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        writer = multiprocessing.Process(target=write_file, args=(Path(folder), images, people))
        writer.start()  # whose memory is no part of this process
        writer.join()
        gc.collect()
        text = Path(folder, "people.json").read_bytes()
        start = time.process_time()
        (orjson or json).loads(text)
        floor = time.process_time() - start
        del text
        before, start = memory("Rss"), time.process_time()
        data = CocoPoseDataset("people.json", "images", folder, images="all")
        spent = time.process_time() - start
        grown = memory("Rss") - before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    reader = "orjson" if orjson else "json"
    added = {method: growth(data, method) for method in WORKERS}
    name = f"annotations of {images:,} images, {people:,} people"
    note = "reading, checking and storing what the parser gives: most of it checks of every value, field by field."
    summarise(Row(f"{name}: CPU time; floor: {reader} alone", Bar(own=7), spent, "s", floor=floor, note=note))
    summarise(Row(f"{name}: resident memory (at most {peak:.0f} MB while it reads)", Bar(own=250), grown, "MB"))
    for method, count in WORKERS.items():
        summarise(Row(f"{name}: growth of each of {count} workers ({method})", Bar(own=10), added[method], "MB"))
    row = [f"{images} images, {people} people", f"{spent:.1f}", f"{floor:.1f}", f"{grown:.0f}", f"{peak:.0f}"]
    names = ["file", "CPU s", f"floor: {reader} alone, s", "MB resident", "MB at most"]
    row += [f"{value:.0f}" for value in added.values()]
    names += [f"MB that each of {count} workers adds, {method}" for method, count in WORKERS.items()]
    print_table("reading annotations", names, [row])


if __name__ == "__main__":
    main()
