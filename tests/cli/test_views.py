"""``--scales`` and ``--no-flip``: what the network is shown is what the command line says."""

import argparse

import cv2
import numpy as np
import pytest
import torch

from aemm.cli import main
from aemm.cli.arguments import add_views, choose_views
from aemm.engine import ConfigError, load_config
from aemm.engine.launch import build_model
from tests.end_to_end import ROOT, write_config

MIRRORED = ROOT / "configs" / "pose" / "hrnet_w32_coco_512.py"


def views(*words):
    """Scales and flip of a recipe that looks at mirror images, after the words of a command line."""
    parser = argparse.ArgumentParser()
    add_views(parser)
    cfg = load_config(str(MIRRORED))
    choose_views(cfg, parser.parse_args(words))
    resize = next(step for step in cfg.test_dataloader.dataset.pipeline if step["type"] == "ResizeToFit")
    return tuple(resize.get("scales", (1,))), cfg.model.tta.flip


def test_scales_and_mirror_images_are_chosen_on_the_command_line():
    assert views() == ((1,), True)
    assert views("--scales", "2", "1", "0.5") == ((2.0, 1.0, 0.5), True)
    assert views("--no-flip") == ((1,), False)
    assert views("--no-flip", "--scales", "0.5") == ((0.5,), False)


def test_a_pipeline_without_sizes_is_refused(tmp_path):
    cfg = load_config(str(write_config(tmp_path)), {"test_dataloader.dataset.pipeline": []})
    with pytest.raises(ConfigError, match="scales: no step of"):
        choose_views(cfg, argparse.Namespace(scales=[2.0], no_flip=False))


@pytest.mark.parametrize("command", ["test", "predict"])
def test_the_network_is_shown_the_sizes_that_the_command_line_names(tmp_path, command, monkeypatch, capsys):
    resize = 'dict(type="ResizeToFit", size=64, square=True, multiple_of=64)'
    config = write_config(tmp_path, f'\ntest_dataloader["dataset"]["pipeline"] = [{resize}]\n')
    model = build_model(str(config))
    torch.save(dict(state_dict=model.state_dict()), tmp_path / "weights.pth")
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros((64, 64, 3), np.uint8))
    ends = {
        "test": ["--work-dir", tmp_path / "run", "--cfg-options", "test_dataloader.dataset.length=1"],
        "predict": [tmp_path / "image.png", "--json", tmp_path / "found.json"],
    }
    seen, network = set(), type(model.backbone)
    forward = network.forward
    monkeypatch.setattr(
        network, "forward", lambda self, image: seen.add(tuple(image.shape[2:])) or forward(self, image)
    )
    words = [command, config, tmp_path / "weights.pth", *ends[command], "--scales", "1", "2"]
    assert main([str(word) for word in words]) == 0, capsys.readouterr().err
    assert seen == {(64, 64), (128, 128)}
