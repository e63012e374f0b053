"""Write a checkpoint for others: weights and facts about the run alone, named by the hash of the file.

python tools/checkpoint_tools/publish.py work_dirs/hrnet_w32_coco_512/best_coco_AP_epoch_300.pth hrnet_w32_coco_512
"""

from __future__ import annotations

import argparse
import hashlib
import io
from pathlib import Path

import torch

from aemm.engine import read_checkpoint, run


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="checkpoint of a training run")
    parser.add_argument("target", help="path and name of the result, to which -<hash>.pth is added")
    return parser.parse_args()


def publish(source: str, target: str) -> Path:
    """Write ``<target>-<hash>.pth``; the hash is the one ``torch.hub`` checks downloads by.

    Args:
        source: a checkpoint; its optimizer, schedulers and message hub are left out.
        target: path and name of the result, without the hash.

    Raises:
        ValueError: the checkpoint holds no weights.
    """
    checkpoint = read_checkpoint(source)
    if "state_dict" not in checkpoint:
        raise ValueError(f"checkpoint {source} must have a state_dict, got {sorted(map(str, checkpoint))[:5]}")
    buffer = io.BytesIO()
    torch.save({"state_dict": checkpoint["state_dict"], "meta": checkpoint.get("meta", {})}, buffer)
    written = Path(f"{target}-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.pth")
    written.write_bytes(buffer.getvalue())
    return written


def main() -> None:
    """Publish."""
    args = parse_args()
    print(publish(args.source, args.target))


if __name__ == "__main__":
    run(main)
