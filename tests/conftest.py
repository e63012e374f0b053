"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("AEMM_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden arrays and real images."""
    if not (SHARED / "golden").is_dir():
        pytest.skip(f"no golden arrays or images at {SHARED}; set AEMM_SHARED to the folder that holds them")
    return SHARED


@pytest.fixture(scope="session")
def golden(shared):
    """The folder of golden arrays."""
    return shared / "golden"
