"""The words by which ``test`` and ``predict`` choose how a network runs and what leaves the result."""

import argparse
import json

import cv2
import numpy as np
import pytest
import torch

from aemm.cli import main
from aemm.cli.arguments import add_speed, add_thinning, chosen_speed, chosen_thinning
from aemm.engine import Speed, Thinning
from aemm.engine.launch import build_model
from aemm.engine.prediction import UNTHINNED, FastNetwork
from tests.end_to_end import write_config


def parse(*words, nms="hard", min_score=0.1):
    parser = argparse.ArgumentParser()
    add_speed(parser)
    add_thinning(parser, nms, min_score)
    return parser.parse_args(words)


def test_words_become_switches():
    args = parse()
    assert Speed(**chosen_speed(args)) == Speed()
    assert Thinning(**chosen_thinning(args)) == Thinning()
    assert Thinning(**chosen_thinning(parse(nms="off", min_score=0.0))) == UNTHINNED
    args = parse("--half", "--fuse", "--no-channels-last", "--batch-size", "4")
    assert Speed(**chosen_speed(args)) == Speed(half=True, fuse=True, channels_last=False)
    assert args.batch_size == 4
    args = parse("--nms", "soft", "--nms-threshold", "0.4", "--min-score", "0.3", "--min-keypoint-score", "0.2")
    assert Thinning(**chosen_thinning(args)) == Thinning("soft", 0.4, 0.3, 0.2)


@pytest.mark.parametrize(
    "words", [("--min-score", "2"), ("--nms-threshold", "x"), ("--batch-size", "0"), ("--nms", "on")]
)
def test_words_out_of_range_are_refused(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse(*words)
    assert words[0] in capsys.readouterr().err


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    config = write_config(folder, "\nmodel['decoder']['max_peaks'] = 5\n")
    torch.manual_seed(0)
    model = build_model(str(config))
    last = model.backbone.outs[0].conv  # finds something everywhere
    torch.nn.init.normal_(last.weight.data[:17], std=0.3)
    last.bias.data[:17] = 1
    torch.save(dict(state_dict=model.state_dict()), folder / "weights.pth")
    for n in range(5):
        noise = np.random.default_rng(n).integers(0, 255, (64, 64, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{n}.png"), noise)
    return folder, config


@pytest.fixture
def seen(monkeypatch):
    """What the network is run with: a batch size for every run."""
    sizes, run = [], FastNetwork.__call__
    monkeypatch.setattr(FastNetwork, "__call__", lambda self, image: sizes.append(len(image)) or run(self, image))
    return sizes


def test_a_prediction_uses_them(small, tmp_path, seen):
    folder, config = small
    words = ["predict", config, folder / "weights.pth", f"{folder}/*.png", "--json", tmp_path / "f.json"]
    words += ["--batch-size", "2", "--fuse", "--half"]
    assert main([str(word) for word in [*words, "--nms", "off", "--min-score", "0"]]) == 0
    assert seen == [2, 2, 1]
    everything = json.loads((tmp_path / "f.json").read_text())["images"]
    assert main([str(word) for word in [*words, "--min-score", "1"]]) == 0
    nothing = json.loads((tmp_path / "f.json").read_text())["images"]
    assert sum(len(row["instances"]) for row in everything) > 0
    assert sum(len(row["instances"]) for row in nothing) == 0


def test_a_test_uses_them_and_leaves_the_model_as_it_was(small, tmp_path, seen, monkeypatch):
    folder, config = small
    found = []
    monkeypatch.setattr("aemm.postprocess.MinScore.__call__", lambda self, people, image: found.append(1) or people[:0])
    words = ["test", config, folder / "weights.pth", "--work-dir", tmp_path / "run", "--batch-size", "4"]
    assert main([str(word) for word in [*words, "--half", "--fuse", "--min-score", "0.5"]]) == 0
    assert seen == [4, 3]
    assert len(found) == 7


def test_arrays_are_written_and_their_name_is_checked(small, tmp_path, capsys):
    folder, config = small
    words = [str(word) for word in ("predict", config, folder / "weights.pth", folder / "0.png", "--min-score", 0)]
    with pytest.raises(SystemExit, match="2"):
        main([*words, "--arrays", str(tmp_path / "found")])
    assert "call it" in capsys.readouterr().err
    assert main([*words, "--arrays", str(tmp_path / "found.npz")]) == 0
    with np.load(tmp_path / "found.npz") as arrays:
        assert arrays["image_ids"].tolist() == [str(folder / "0.png")]
        assert len(arrays["scores"]) == len(arrays["keypoints"]) > 0
