"""Commands that are terminated with all their processes: they end quietly, and what was done is kept."""

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import torch

from aemm.engine.launch import build_model
from tests.end_to_end import ROOT, write_config


def start(*words):
    """A command in a process group of its own."""
    command = [sys.executable, "-m", "aemm", *map(str, words)]
    env = os.environ | dict(OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT))
    return subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_for(condition, seconds=120):
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline
        time.sleep(0.02)


def test_a_terminated_prediction_keeps_what_was_found(tmp_path):
    config = write_config(tmp_path)
    torch.save(dict(state_dict=build_model(str(config)).state_dict()), tmp_path / "weights.pth")
    images, pictures, found = tmp_path / "images", tmp_path / "pictures", tmp_path / "found.json"
    images.mkdir()
    for i in range(2000):
        cv2.imwrite(str(images / f"{i:04d}.png"), np.full((64, 64, 3), i % 255, np.uint8))
    process = start("predict", config, tmp_path / "weights.pth", images, "--json", found, "--out-dir", pictures)
    wait_for(lambda: len(list(pictures.glob("*.png"))) > 3)
    os.killpg(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (143, "")
    assert 3 <= len(json.loads(found.read_text())["images"]) < 2000


def test_a_training_whose_workers_are_terminated_with_it_ends_quietly(tmp_path):
    workers = 'train_dataloader["num_workers"] = 1\ntrain_dataloader["persistent_workers"] = True\n'
    config = write_config(tmp_path, f"\ntrain_cfg = dict(max_epochs=500)\n{workers}")
    process = start("train", config, "--work-dir", tmp_path / "run")
    wait_for((tmp_path / "run" / "epoch_1.pth").exists)
    os.killpg(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (143, "")
