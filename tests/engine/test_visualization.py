"""Pictures of a training while it goes on."""

import importlib.util

import cv2
import numpy as np
import pytest
import torch

from aemm.engine import VisualizationHook
from aemm.structures import Targets
from aemm.visualization import target_panels
from tests.engine.small_runs import small_runner

HOOK = 'custom_hooks = [dict(type="VisualizationHook", images={images}, interval=2, first_batch=2)]\n'


def _train(folder, *backends, epochs=3):
    settings = {"visualizer": dict(type="Visualizer", vis_backends=list(backends)), "train_cfg.max_epochs": epochs}
    settings |= {"train_dataloader.dataset.length": 4, "val_dataloader.dataset.length": 3}
    runner = small_runner(folder, HOOK.format(images=2), validate=True, **settings)
    runner.train()
    return runner


def test_the_same_images_are_drawn_again_and_the_first_batch_once(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _train(tmp_path, dict(type="LocalVisBackend"), dict(type="TensorboardVisBackend"))
    names = sorted(path.name for path in tmp_path.rglob("vis_image/*.png"))
    assert names == [
        *("first_batch_0_0.png", "first_batch_1_0.png"),
        *("validation_0_1.png", "validation_0_3.png", "validation_2_1.png", "validation_2_3.png"),
    ]
    drawn = {path.name: cv2.imread(str(path)) for path in tmp_path.rglob("vis_image/*.png")}
    height, width = drawn["validation_0_1.png"].shape[:2]
    assert width > 4 * height
    assert not np.array_equal(drawn["validation_0_1.png"], drawn["validation_0_3.png"])
    (events,) = tmp_path.rglob("events.out.tfevents.*")
    accumulator = EventAccumulator(str(events))
    accumulator.Reload()
    assert set(accumulator.Tags()["images"]) == {"first_batch_0", "first_batch_1", "validation_0", "validation_2"}


def test_training_is_the_same_with_pictures_and_without(tmp_path):
    plain = small_runner(tmp_path / "plain", train_cfg__max_epochs=1)
    drawn = small_runner(tmp_path / "drawn", HOOK.format(images="0"), train_cfg__max_epochs=1)
    for runner in (plain, drawn):
        runner.train()
    weights = [list(runner.model.state_dict().values()) for runner in (plain, drawn)]
    assert all(torch.equal(one, two) for one, two in zip(*weights, strict=True))


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason='wandb is absent: pip install "aemm[wandb]"')
def test_weights_and_biases_gets_the_pictures_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    backend = dict(type="WandbVisBackend", init_kwargs=dict(mode="offline", project="aemm"))
    runner = _train(tmp_path, backend, epochs=1)
    runner.visualizer.close()
    names = {path.name.rpartition("_")[0].rpartition("_")[0] for path in tmp_path.rglob("media/images/*.png")}
    assert {"first_batch_0", "validation_0"} <= names


@pytest.mark.parametrize(
    "wrong",
    [
        dict(images="4"),
        dict(images=2.5),
        dict(images=[0, "a"]),
        dict(images=True),
        dict(interval="x"),
        dict(images=-1),
        dict(images=[0, -2]),
        dict(interval=0),
        dict(first_batch=-1),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match="whole numbers from 0"):
        VisualizationHook(**wrong)


def test_an_image_that_is_not_there_is_named_before_training(tmp_path):
    runner = small_runner(tmp_path, HOOK.format(images="[0, 7]"), validate=True)
    with pytest.raises(ValueError, match="has 7 images, so there is no 7"):
        runner.train()
    assert runner.iter == 0


def test_targets_show_where_tags_are_read_and_where_no_loss_looks():
    heatmaps, weight = torch.zeros(2, 8, 8), torch.ones(8, 8)
    weight[:, 4:] = 0
    index = torch.tensor([[9, -1], [64 + 9 + 32, -1]])  # row 1, column 1; row 5, column 1 of the second channel
    panels = target_panels(np.full((64, 64, 3), 200, np.uint8), [Targets(heatmaps, weight, index)], "continuous")
    heat, places = panels.values()
    assert heat[30, 50].max() < heat[30, 20].max()
    assert tuple(places[12, 12]) != tuple(places[30, 12])
    assert tuple(places[44, 12]) not in (tuple(places[12, 12]), tuple(places[30, 12]))
