"""What it costs to see whether an image is whole and which way up it is, as a share of loading it.

python benchmarks/image_checks.py [--folder PHOTOS]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
from timing import paired_ms, print_table

from aemm.engine.allocation import keep_freed_memory
from aemm.formats import jpeg, png
from aemm.formats.image import load_image
from aemm.formats.kinds import HEAD, kind_of

COUNT, ENDINGS = 16, (".jpg", ".png")


def write_photos(folder: Path) -> None:
    """Images of 640x480 with as much detail as photos have: noise of all sizes, as JPEG of 100 kB and as PNG."""
    random = np.random.default_rng(0)
    for number in range(COUNT):
        layers = [random.normal(0, 40, (480 >> k, 640 >> k, 3)) for k in range(1, 6)]
        image = 128 + sum(cv2.resize(layer, (640, 480), interpolation=cv2.INTER_CUBIC) for layer in layers) / 2
        for ending in ENDINGS:
            cv2.imwrite(str(folder / f"{number}{ending}"), np.clip(image, 0, 255).astype(np.uint8))


def check(data: bytes, name: str, image: np.ndarray) -> None:
    """What load_image does with a file beside reading and decoding it."""
    kind_of(data[:HEAD], name)
    if name.endswith(".png"):
        png.read_png(data)
        return
    header = jpeg.read_jpeg_header(data)
    jpeg.find_damage(data, header)
    jpeg.ends_early(data, header, image)


def row(paths: list[Path]) -> tuple[str, ...]:
    """Milliseconds of an image of one kind, and how much of them are checks."""
    files = [(path.read_bytes(), path.name, load_image(str(path), "ignore")) for path in paths]

    def load() -> None:
        for path in paths:
            load_image(str(path))

    def checks() -> None:
        for data, name, image in files:
            check(data, name, image)

    checked, loaded, ratio = paired_ms(checks, load, 31)
    kilobytes = sum(len(data) for data, _, _ in files) / len(paths) / 1e3
    times = (f"{value / len(paths):.3f}" for value in (loaded, checked))
    return (f"{paths[0].suffix[1:]}, {len(paths)} of {kilobytes:.0f} kB", *times, f"{1 / ratio:.1%}")


def main() -> None:
    """Measure images of this script, or those of a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="JPEG and PNG files of your own")
    args = parser.parse_args()
    cv2.setNumThreads(0)
    keep_freed_memory()  # as the processes that load do
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        if not args.folder:
            write_photos(folder)
        kinds = [sorted(folder.glob(f"*{ending}"))[: 4 * COUNT] for ending in ENDINGS]
        rows = [row(paths) for paths in kinds if paths]
    if not rows:
        raise SystemExit(f"{folder} holds no file that ends in {' or '.join(ENDINGS)}")
    print_table("image files", ("", "loaded [ms]", "of it checks [ms]", "share"), rows)


if __name__ == "__main__":
    main()
