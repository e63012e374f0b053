"""Reading the golden files: everything comes from the folder, also names and salts of checkpoint entries."""

import json
import zlib

import numpy as np
import torch


def meta_of(file) -> dict:
    """The ``meta`` of a golden file."""
    return json.loads(file["meta"].item())


def entry(name: str, shape: tuple[int, ...], salt) -> torch.Tensor:
    """The value of one entry of a golden checkpoint, a function of its name, shape and salt."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(f"{salt}:{name}".encode())))
    if name.endswith("num_batches_tracked"):
        value = np.zeros(shape, np.int64)
    elif name.endswith("running_mean"):
        value = rng.standard_normal(shape) * 0.1
    elif name.endswith("running_var"):
        value = rng.uniform(0.5, 1.5, shape)
    elif len(shape) >= 2:
        value = rng.standard_normal(shape) * np.sqrt(1.6 / np.prod(shape[1:]))
    elif name.endswith("weight"):
        value = rng.uniform(0.25, 0.55, shape)
    else:
        value = rng.standard_normal(shape) * 0.05
    return torch.from_numpy(np.asarray(value, np.int64 if value.dtype == np.int64 else np.float32))


def checkpoint_of(file) -> dict[str, torch.Tensor]:
    """All entries of the checkpoint that a golden network file describes."""
    meta = meta_of(file)
    return {name: entry(name, tuple(shape), meta["salt"]) for name, shape in meta["checkpoint_entries"].items()}
