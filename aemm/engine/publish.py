"""A checkpoint of a training run made ready for others."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import torch

from aemm.formats.checkpoint import part_of, read_checkpoint, settle, weights_of


def publish(source: str, target: str) -> Path:
    """Write ``<target>-<hash>.pth``; the hash is the one ``torch.hub`` checks downloads by.

    Args:
        source: a checkpoint; its optimizer, schedulers and message hub are left out.
        target: path and name of the result, without the hash.

    Raises:
        CheckpointError: the checkpoint holds no weights.
    """
    checkpoint = read_checkpoint(source)
    buffer = io.BytesIO()
    torch.save({"state_dict": weights_of(checkpoint, source), "meta": checkpoint.get("meta", {})}, buffer)
    written = Path(f"{target}-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.pth")
    part = part_of(written)
    part.write_bytes(buffer.getvalue())
    settle(part, written)
    return written
