"""Every config of the project builds, and takes a step of training and of testing, on a generated image."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper

from aemm.datasets import collate
from aemm.engine import load_config
from aemm.registry import MODELS, TRANSFORMS
from aemm.skeletons import build_skeleton
from aemm.structures import Instances, Sample
from tests.networks import shrink_backbone

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
RECIPES = sorted(path for path in CONFIGS.rglob("*.py") if "_base_" not in path.parts)
SIDE = 64


def shrink(node):
    """Images of 64 px at most, and thin deconvolutions, wherever a config says how large they are."""
    if isinstance(node, list | tuple):
        for item in node:
            shrink(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "size" and isinstance(value, int):
                node[key] = min(value, SIDE)
            elif key == "deconv_channels" and value:
                node[key] = (8,) * len(value)
            else:
                shrink(value)


def small(path):
    """The config with a network that is built in no time."""
    cfg = load_config(str(path))
    shrink(cfg._cfg_dict)  # a Config itself is no dict
    shrink_backbone(cfg.model.backbone)
    for step in cfg.model.get("postprocessors", ()):  # its weights are not here
        step.update(checkpoint=None, sizes=(64, 32), device="cpu")
        shrink_backbone(step.model.backbone)
    if "max_peaks" in cfg.model.decoder:  # an untrained network sees people everywhere
        cfg.model.decoder.max_peaks = 3
    return cfg


def generated(cfg):
    """Two people, or objects, in a noisy image."""
    rng = np.random.default_rng(0)
    skeleton = build_skeleton(cfg.model.decoder.get("skeleton", "coco"))
    boxes = np.array([[10, 10, 30, 50], [35, 15, 60, 55]], np.float32)
    corner, sides = boxes[:, None, :2], boxes[:, None, 2:] - boxes[:, None, :2]
    masks = np.zeros((2, SIDE, SIDE), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.astype(int), strict=True):
        mask[y0:y1, x0:x1] = True
    return Sample(
        image=rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8),
        image_id=1,
        image_size=(SIDE, SIDE),
        keypoints=(corner + sides * rng.random((2, len(skeleton.keypoints), 2))).astype(np.float32),
        visible=np.full((2, len(skeleton.keypoints)), 2),
        masks=masks,
        labels=np.zeros(2, np.int64),
        ignore=np.zeros((SIDE, SIDE), bool),
        skeleton=skeleton,
        rng=rng,
    )


def batch_of(cfg, loader):
    """Two samples through a pipeline of the config."""
    steps = [TRANSFORMS.build(step) for step in cfg[loader].dataset.get("pipeline", ())]
    samples = [generated(cfg) for _ in range(2)]
    if cfg[loader].dataset.type == "SinglePersonDataset":
        samples = [replace(s, keypoints=s.keypoints[:1], visible=s.visible[:1]) for s in samples]
    if cfg[loader].dataset.get("keep_original"):
        samples = [replace(s, original=s.image) for s in samples]
    return collate([Compose(steps)(sample) for sample in samples])


def test_there_are_recipes():
    assert len(RECIPES) > 20


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(CONFIGS).with_suffix("")))
def test_a_step_of_training_and_of_testing(path):
    torch.manual_seed(0)
    cfg = small(path)
    model = MODELS.build(cfg.model)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    model.train()
    losses = model.train_step(batch_of(cfg, "train_dataloader"), optimizer)
    assert any(name.startswith("loss_") for name in losses)
    assert all(torch.isfinite(value).all() for value in losses.values()), losses
    trained = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
    unmoved = [name for name, value in trained if torch.equal(value, before[name])]
    assert not unmoved, f"the step trained everything but {unmoved}"

    model.eval()
    loaders = ["val_dataloader", "test_dataloader"]
    for loader in loaders[cfg.val_dataloader.dataset == cfg.test_dataloader.dataset :]:
        batch = batch_of(cfg, loader)
        with torch.no_grad():
            found = model.test_step(batch)
        assert [type(each) for each in found] == [Instances] * 2
        assert [each.image_id for each in found] == batch.image_ids


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(CONFIGS).with_suffix("")))
def test_a_recipe_says_how_it_is_run_and_is_read_in_a_moment(path):
    text = path.read_text(encoding="utf-8")
    docstring = ast.parse(text).body[0]
    assert text.startswith('"""')
    assert f"{path.relative_to(CONFIGS.parent)}" in text, "the docstring gives the command"
    lines = [line for line in text.splitlines()[docstring.end_lineno :] if line.strip()]
    assert len(lines) <= 20


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.py")), ids=lambda path: str(path.relative_to(CONFIGS)))
def test_no_config_reaches_outside_the_repository(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    bases = [text for text in texts if text.endswith(".py") and (path.parent / text).is_file()]
    assert all((path.parent / text).resolve().is_relative_to(CONFIGS) for text in bases)
    assert not [text for text in texts if text.startswith(("..", "/", "~")) and text not in bases]


def test_loaders_are_described_once():
    texts = {path: path.read_text(encoding="utf-8") for path in CONFIGS.rglob("*.py")}
    assert [path.name for path, text in texts.items() if "sampler=" in text or "collate_fn=" in text] == ["loaders.py"]
