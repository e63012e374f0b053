"""A config small enough to train within a test, and the command-line tools run as a user runs them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SMALL = """
_base_ = ["{root}/configs/synthetic/pose_hourglass_tiny_128.py"]
model = dict(
    backbone=dict(stacks=1, width=8, growth=4, depth=2, stem=(4, 8, 8), pool=True),
    decoder=dict(threshold=0.01),
)
people = dict(length=12, image_size=64, people=(1, 4))
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=people)
val_dataloader = dict(batch_size=3, num_workers=0, persistent_workers=False, dataset=dict(length=7, image_size=64))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=2)
optim_wrapper = dict(optimizer=dict(lr=4e-3, betas=(0.9, 0.999), fused=False))
param_scheduler = [dict(type="MultiStepLR", milestones=[1], by_epoch=True)]
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(max_keep_ckpts=5))
"""


def write_config(folder: Path, extra: str = "") -> Path:
    """A small synthetic recipe in ``folder``, with more lines behind it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "small.py"
    path.write_text(SMALL.format(root=ROOT) + extra)
    return path


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def run_tool(*command: object, timeout: int = 300, **environment: str) -> subprocess.CompletedProcess:
    """A tool of the project, run from its root on one thread."""
    env = os.environ | dict(OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT)) | environment
    first = [sys.executable] if str(command[0]).endswith(".py") else ["bash"]
    words = [*first, *map(str, command)]
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    return subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout, check=False)


def check(result: subprocess.CompletedProcess) -> str:
    """The output of a run that succeeded."""
    assert result.returncode == 0, f"exit {result.returncode}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    return result.stdout + result.stderr
