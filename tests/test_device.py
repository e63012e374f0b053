"""Training, testing and decoding on a stand-in device, in a process of its own.

PyTorch counts its devices at the first backward pass of a process; the stand-in must be there by then.
"""

import os
import subprocess
import sys

from tests.conftest import SHARED
from tests.end_to_end import ROOT


def test_what_runs_on_the_cpu_runs_on_a_device():
    command = [sys.executable, "-m", "pytest", "-q", "-rf", "-p", "no:cacheprovider", "tests/device_checks.py"]
    env = os.environ | dict(PYTHONPATH=str(ROOT), AEMM_SHARED=str(SHARED))
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
