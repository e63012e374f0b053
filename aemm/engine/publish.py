"""A checkpoint of a training run made ready for others."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import torch

from aemm.formats.checkpoint import CheckpointError, read_checkpoint


def publish(source: str, target: str) -> Path:
    """Write ``<target>-<hash>.pth``; the hash is the one ``torch.hub`` checks downloads by.

    Args:
        source: a checkpoint; its optimizer, schedulers and message hub are left out.
        target: path and name of the result, without the hash.

    Raises:
        CheckpointError: the checkpoint holds no weights.
    """
    checkpoint = read_checkpoint(source)
    if "state_dict" not in checkpoint:
        raise CheckpointError(f"checkpoint {source} must have a state_dict, got {sorted(map(str, checkpoint))[:5]}")
    weights = checkpoint["state_dict"]
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise CheckpointError(f"checkpoint {source} must have tensors by name as its state_dict, got something else")
    buffer = io.BytesIO()
    torch.save({"state_dict": weights, "meta": checkpoint.get("meta", {})}, buffer)
    written = Path(f"{target}-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.pth")
    written.write_bytes(buffer.getvalue())
    return written
