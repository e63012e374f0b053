"""The steps of a prediction, and the command that measures them beside a training."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from aemm.cli import main
from tests.end_to_end import ROOT, write_config

IMAGE = [
    "read",
    "ResizeToFit",
    "collate",
    "to the device",
    "network",
    "decode",
    "merge",
    "postprocess",
    "draw",
    "write",
]


def test_a_config_is_profiled_as_a_whole(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = str(write_config(tmp_path / "config"))
    assert main(["profile", config, "--iterations", "2", "--images", "2", "--json", "times.json"]) == 0
    found = json.loads((tmp_path / "times.json").read_text())
    assert list(found) == ["loading", "training", "prediction"]
    assert list(found["prediction"]) == IMAGE
    shown = capsys.readouterr().out
    assert "a batch of 4, made by one process" in shown
    assert "an iteration on cpu, 0 workers" in shown
    assert "advice  aemm predict overlaps" in shown


def test_images_and_views_are_chosen_and_training_left_out(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((40, 60, 3), np.uint8))
    words = ["profile", str(write_config(tmp_path)), str(tmp_path / "photo.png"), "--only", "prediction"]
    assert main([*words, "--images", "2", "--no-flip", "--scales", "2", "1"]) == 0
    shown = capsys.readouterr().out
    assert "iteration" not in shown
    assert "| decode" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{config}", "gone.png"], "gone.png"),
        (["{config}", "--checkpoint", "gone.pth"], "gone.pth"),
        (["{config}", "--device", "abacus"], "abacus"),
        (["{config}", "--images", "0"], "--images"),
    ],
)
def test_faults_are_named(tmp_path, capsys, words, said):
    config = str(write_config(tmp_path))
    try:
        code = main(["profile", *(word.format(config=config) for word in words), "--only", "prediction"])
    except SystemExit as error:
        code = error.code
    assert code
    assert said in capsys.readouterr().err


def test_the_script_leaves_pythons_own_module_of_its_name_to_others():
    code = "import cProfile, profile; print(profile.Profile.__name__, cProfile.Profile.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "tools" / "analysis_tools", capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["Profile", "Profile"], done.stderr
