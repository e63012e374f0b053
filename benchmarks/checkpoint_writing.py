"""A checkpoint of 200 MB: written in place as mmengine does, written whole or not at all, read.

python benchmarks/checkpoint_writing.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from mmengine.logging import MMLogger
from mmengine.runner.checkpoint import save_checkpoint
from timing import median_ms, print_table

from aemm.formats.checkpoint import part_of, read_checkpoint, settle

ENTRIES, NUMBERS = 500, 100_000


def main() -> None:
    """Time writing and reading."""
    MMLogger.get_current_instance().setLevel("ERROR")
    torch.manual_seed(0)
    checkpoint = {"state_dict": {f"layer_{i}": torch.randn(NUMBERS) for i in range(ENTRIES)}}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder, "epoch_1.pth")

        def whole() -> None:
            save_checkpoint(checkpoint, str(part_of(path)))
            settle(part_of(path), path)

        in_place = median_ms(lambda: save_checkpoint(checkpoint, str(path)), 3)
        written = median_ms(whole, 3)
        unchecked = median_ms(lambda: torch.load(path, weights_only=True), 3)
        read = median_ms(lambda: read_checkpoint(path), 3)
    times = (("written", in_place, written), ("read", unchecked, read))
    print_table(
        "Checkpoint of 200 MB",
        ("", "mmengine, torch [ms]", "whole, checked [ms]", "ratio"),
        [(name, f"{before:.0f}", f"{now:.0f}", f"{now / before:.2f}") for name, before, now in times],
    )


if __name__ == "__main__":
    main()
