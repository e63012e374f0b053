"""Processes that load images keep the memory that they free."""

import subprocess
import sys

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from aemm.engine.allocation import keep_memory_of

FAULTS = """
import resource
import numpy as np
from aemm.engine.allocation import keep_freed_memory
if not keep_freed_memory():
    raise SystemExit(3)
blocks = [np.ones(2**20), np.ones(2**20)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    blocks = []
    blocks = [np.ones(2**20), np.ones(2**20)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_large_arrays_are_not_paid_for_page_by_page_again():
    """Twenty times two arrays of 8 MB are 80,000 pages."""
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip("the allocator of this platform cannot be told to keep memory")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 10_000


class _Numbers(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return torch.initial_seed() + index


def _seed_by_worker(worker):
    torch.manual_seed(100 + worker)


def test_what_else_workers_do_first_is_done():
    loader = DataLoader(_Numbers(), batch_size=1, num_workers=1, worker_init_fn=_seed_by_worker)
    keep_memory_of(loader)
    assert [int(value) for value in loader] == [100, 101, 102, 103]


def test_a_loader_without_workers_loads_as_before():
    loader = DataLoader(range(4), batch_size=4)
    keep_memory_of(loader)
    assert loader.worker_init_fn is None
    assert next(iter(loader)).tolist() == [0, 1, 2, 3]
