"""Images a second of a whole prediction: files read, people found and drawn, pictures and json lines written.

Run ``python benchmarks/predicting.py``. One after the other, with overlapping steps, and with overlapping steps and
batches are measured in turn, round by round; the medians are printed. The photos are drawn people, enlarged and
written as JPEG. Without a checkpoint the network is as it starts, and finds whatever stands out.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from timing import print_table

from aemm.apis import Inferencer, predict_all
from aemm.datasets.synthetic import SyntheticPoseDataset
from aemm.engine import load_config

RECIPE = Path(__file__).resolve().parents[1] / "configs" / "synthetic" / "pose_hourglass_tiny_128.py"
SIZE = (960, 720)


def write_photos(folder: Path, count: int) -> None:
    """Drawn people as JPEG files of 960 x 720 pixels."""
    drawn = SyntheticPoseDataset(length=count, image_size=128)
    for n in range(count):
        photo = cv2.resize(drawn[n].image, SIZE, interpolation=cv2.INTER_CUBIC)
        grain = np.random.default_rng(n).normal(0, 4, photo.shape)
        cv2.imwrite(str(folder / f"{n:04d}.jpg"), (photo + grain).clip(0, 255).astype(np.uint8)[..., ::-1])


def rate(inferencer: Inferencer, photos: Path, out: Path) -> float:
    """Images a second."""
    start = time.perf_counter()
    account = predict_all(inferencer, photos, out / "pictures", [out / "found.jsonl"])
    return account.images / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default=str(RECIPE))
    parser.add_argument("--checkpoint")
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=4)
    args = parser.parse_args()
    cfg = load_config(args.config)
    ways = {
        "one after the other": dict(overlap=False),
        "overlapping": {},
        f"overlapping, batches of {args.batch_size}": dict(batch_size=args.batch_size),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    models = {name: Inferencer(cfg, args.checkpoint, **settings) for name, settings in ways.items()}
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        write_photos(photos, args.images)
        for model in models.values():
            next(model(photos))
        for _ in range(args.rounds):
            for name, model in models.items():
                rates[name].append(rate(model, photos, Path(folder)))
    base = statistics.median(rates["one after the other"])
    rows = [
        [name, f"{statistics.median(got):.1f}", f"{statistics.median(got) / base:.2f}"] for name, got in rates.items()
    ]
    print_table(f"prediction, {Path(args.config).stem}, {args.images} photos", ("", "images/s", "ratio"), rows)


if __name__ == "__main__":
    main()
