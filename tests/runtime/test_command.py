"""The command of the second distribution, which lies in `runtime` and is imported from there."""

import importlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from aemm.runtime import Predictor
from tests.export.small_models import NetworkEngine, inferencer_of, pictures, small_config

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def command(monkeypatch):
    """The command, whose predictor has a network at hand instead of a file."""
    monkeypatch.syspath_prepend(str(ROOT / "runtime"))
    module = importlib.import_module("aemm_runtime.command")
    cfg = small_config()
    engine = NetworkEngine(cfg, inferencer_of(cfg).model)

    def predictor(path, _, *settings, **named):
        return Predictor(path, engine, *settings, **named)

    monkeypatch.setattr(module, "Predictor", predictor)
    return module


def test_one_bad_file_is_left_out_and_the_others_are_predicted(command, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    for n, image in enumerate(pictures()):
        cv2.imwrite(str(folder / f"{n}.png"), image[..., ::-1])
    (folder / "1.jpg").write_bytes(b"<html>")
    place = tmp_path / "new" / "found.json"
    words = ["model.onnx", str(folder), "--json", str(place), "--batch-size", "2", "--min-score", "0"]
    assert command.main(words) == 3
    found = json.loads(place.read_text())
    assert [Path(row["image_id"]).name for row in found["images"]] == ["0.png", "1.png", "2.png"]
    assert [(row["height"], row["width"]) for row in found["images"]] == [image.shape[:2] for image in pictures()]
    (lost,) = found["left_out"]
    assert lost["input"] == str(folder / "1.jpg")
    assert "1.jpg: OpenCV cannot read an image" in capsys.readouterr().err
    assert np.shape(found["images"][0]["instances"][0]["keypoints"]) == (17, 3)
    assert len(found["skeleton"]["keypoints"]) == 17
    (folder / "1.jpg").unlink()
    assert command.main(words) == 0
    assert json.loads(place.read_text())["images"] == found["images"]


def test_nothing_that_is_read_is_written_over(command, tmp_path, capsys):
    photo = tmp_path / "a.png"
    cv2.imwrite(str(photo), pictures()[0])
    before = photo.read_bytes()
    for place in (photo, tmp_path):
        assert command.main(["model.onnx", str(photo), "--json", str(place)]) == 1
        assert "choose another --json" in capsys.readouterr().err
    assert photo.read_bytes() == before
    assert command.main(["model.onnx", str(tmp_path / "none"), "--json", "x.json"]) == 1


@pytest.mark.parametrize(
    "words", [["--batch-size", "0"], ["--threads", "two"], ["--engine", "x"], ["--min-score", "2"]]
)
def test_a_wrong_command_line_is_told_before_anything_is_read(command, words):
    with pytest.raises(SystemExit) as caught:
        command.main(["model.onnx", "photos", "--json", "x.json", *words])
    assert caught.value.code == 2
