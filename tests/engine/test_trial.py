"""What `aemm check` says of a config: facts, and every slip that training would not tell of."""

import re
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from torch import nn

from aemm.cli import main
from aemm.datasets import SyntheticPoseDataset, collate
from aemm.datasets.transforms import PoseTargets
from aemm.engine import load_config
from aemm.engine.memory import count_kept
from aemm.engine.schedule import describe_rates, learning_rates
from aemm.engine.trial import Plan, try_config
from aemm.engine.trial_step import crop_batch
from aemm.models.heads import AEHead
from aemm.registry import MODELS
from aemm.skeletons import SKELETONS
from tests.end_to_end import ROOT, write_config
from tests.engine.small_runs import small_runner


def _try(folder, extra="", plan=None, **options):
    options = {name.replace("__", "."): value for name, value in options.items()}
    trial = try_config(load_config(str(write_config(folder, extra)), options), plan or Plan())
    return dict(trial.facts), trial.faults, trial.advice


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The trial of a sound config, and its picture."""
    folder = tmp_path_factory.mktemp("sound")
    with patch("aemm.engine.trial_step._SECONDS", 1e6):  # however slow the machine is
        return *_try(folder, plan=Plan(picture=str(folder / "batch.png"))), folder / "batch.png"


def test_a_sound_config_is_described(sound):
    facts, faults, advice, picture = sound
    assert not faults
    assert not advice
    assert facts["train_dataloader"] == "SyntheticPoseDataset, 12 samples, 4 a batch, 3 iterations on each of 1"
    assert facts["first batch"] == "images of 64 x 64 pixels, maps of 16 x 16 cells"
    assert facts["stages"] == "1 x 17 heatmaps and 17 x 2 tag maps of 16 x 16 cells"
    assert "of a whole batch: loss " in facts["loss"]
    assert re.match(r"[\d,]+ parameters, [\d,]+ of them trained: backbone", facts["model"])
    assert "for a step of 4" in facts["memory"]
    assert "instances in all of image" in facts["prediction"]
    assert cv2.imread(str(picture)).shape[0] == 4 * (64 + 16)


def test_the_rates_are_those_of_the_training(tmp_path):
    schedules = [
        dict(type="LinearLR", start_factor=0.1, begin=0, end=4, by_epoch=False),
        dict(type="MultiStepLR", milestones=[2], by_epoch=True, gamma=0.5),
        dict(type="CosineAnnealingLR", by_epoch=True, convert_to_iter_based=True, eta_min=0),
    ]
    runner = small_runner(tmp_path, param_scheduler=schedules, train_cfg__max_epochs=3)
    seen = []

    class Rates(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            seen.append(runner.optim_wrapper.get_lr()["lr"][0])

    runner.register_hook(Rates())
    runner.train()
    assert len(set(seen)) > 5
    np.testing.assert_allclose(learning_rates(runner.cfg, 3), seen, rtol=1e-12)


def test_the_curve_shows_its_turns():
    rates = [1.0] * 50 + [0.1] * 50
    lines = describe_rates(rates, 10, points=2)
    assert [re.sub(r"\s+", " ", line) for line in lines] == [
        "iteration 1, epoch 1: 1",
        "iteration 50, epoch 5: 1",
        "iteration 51, epoch 6: 0.1",
        "iteration 52, epoch 6: 0.1",
        "iteration 100, epoch 10: 0.1",
    ]


MISSING = """
train_dataloader = dict(dataset=dict(_delete_=True, type="CocoPoseDataset", ann_file="none.json", img_dir="",
    skeleton="coco", pipeline={{_base_.train_pipeline}}))
"""


def test_data_that_are_missing_are_a_fault_and_the_rest_is_tried(tmp_path):
    facts, faults, _ = _try(tmp_path, MISSING)
    (fault,) = faults
    assert re.match(r"train_dataloader: annotation file none\.json does not exist", fault)
    assert facts["train_dataloader"] == "drawn images stand in (SyntheticPoseDataset)"
    assert "since the data are not there" in facts["learning rate"]
    assert {"model", "loss", "memory", "prediction"} <= facts.keys()


EQUAL = {**SKELETONS["coco"].to_dict(), "name": "mine", "sigmas": [0.05] * 17}


@pytest.mark.parametrize(
    ("options", "plan", "message"),
    [
        (
            {"auto_scale_lr": dict(base_batch_size=32)},
            Plan(processes=2),
            "batch: the recipe's rate and schedule belong to a batch of 32 images, but 2 processes",
        ),
        (
            {"val_dataloader.sampler": dict(_delete_=True, type="SeededSampler", shuffle=False)},
            Plan(),
            r"val_dataloader\.sampler\.round_up: several processes would see images twice",
        ),
        (
            {"val_dataloader.dataset.skeleton": EQUAL, "train_dataloader.dataset.skeleton": EQUAL},
            Plan(),
            "val_evaluator: all 17 sigmas of skeleton 'mine' are 0.05",
        ),
        ({"val_evaluator.sigmas": [0.1] * 17}, Plan(), "val_evaluator: all 17 sigmas .* are 0.1"),
        (
            {"train_dataloader.dataset.length": 5},
            Plan(processes=2),
            "train_dataloader: .* 3 for each of 2 processes, which fill no batch",
        ),
        ({"train_cfg.val_interval": 9}, Plan(), r"train_cfg\.val_interval: 9 is more than the 2 of the training"),
        ({"load_from": "none.pth"}, Plan(), r"load_from: checkpoint none\.pth does not exist"),
        ({"model.decoder.skeleton": "mpii"}, Plan(), "(prediction|loss)"),
        ({"compile": dict(backend="none")}, Plan(), r"switches: .*compile\.backend must be one of"),
    ],
)
def test_classic_slips_are_named(options, plan, message, tmp_path):
    cfg = load_config(str(write_config(tmp_path)))
    cfg.merge_from_dict(options)
    faults = try_config(cfg, plan).faults
    assert [fault for fault in faults if re.match(message, fault, re.DOTALL)], faults


def test_parameters_without_gradients_stop_several_processes(tmp_path, monkeypatch):
    def with_a_spare(*args, **kwargs):
        model = MODELS.build(*args, **kwargs)
        model.spare = nn.Linear(2, 2)
        return model

    built = load_config(str(write_config(tmp_path)))
    monkeypatch.setattr("aemm.engine.trial.MODELS", type("Registry", (), dict(build=staticmethod(with_a_spare))))
    said = r"find_unused_parameters: 2 parameters get no gradient \(spare\.weight, spare\.bias\)"
    alone, several = try_config(built.copy(), Plan()), try_config(built.copy(), Plan(processes=2))
    assert not alone.faults
    assert re.match(said, alone.advice[0])
    assert re.match(said, several.faults[0])
    built.find_unused_parameters = True
    assert not try_config(built.copy(), Plan(processes=2)).faults


def test_a_switch_that_finds_nothing_is_advised_against(tmp_path):
    _, faults, (advice,) = _try(tmp_path, find_unused_parameters=True)
    assert not faults
    assert "every parameter gets a gradient" in advice


def test_a_loss_that_is_not_finite_is_a_fault(tmp_path, monkeypatch):
    terms = AEHead.loss
    monkeypatch.setattr(AEHead, "loss", lambda *args: {k: v * torch.nan for k, v in terms(*args).items()})
    _, faults, _ = _try(tmp_path)
    assert any("loss_heatmap is nan" in fault for fault in faults), faults


def test_a_diagnostic_without_a_value_is_no_fault(tmp_path):
    facts, faults, _ = _try(tmp_path, train_dataloader__dataset__people=(1, 1))
    assert not faults
    assert "tag_spread" not in facts["loss"]


def test_a_part_of_a_batch_has_most_keypoints_and_keeps_its_targets():
    data = SyntheticPoseDataset(2, 256, pipeline=[PoseTargets(strides=(4,), sigma=2, style="unbiased")])
    batch = collate([data[0], data[1]])
    part = crop_batch(batch, 128)
    whole, targets = batch.targets[0].dense(), part.targets[0]
    assert part.images[0].shape == (2, 3, 128, 128)
    left, top = (-part.warp[0] @ [0, 0, 1])[:2].astype(int)
    assert torch.equal(part.images[0], batch.images[0][..., top : top + 128, left : left + 128])
    cells = np.s_[..., top // 4 : top // 4 + 32, left // 4 : left // 4 + 32]
    assert torch.equal(targets.need_heatmaps(), whole.need_heatmaps()[cells])
    index = whole.tag_index[whole.tag_index >= 0] % 64**2
    down, across = index // 64 // 16, index % 64 // 16  # in steps of 64 pixels
    near = [(((down - y) // 2 == 0) & ((across - x) // 2 == 0)).sum() for y, x in np.ndindex(3, 3)]
    assert int((targets.tag_index >= 0).sum()) == max(near) > min(near)
    for heat, index in zip(targets.need_heatmaps(), targets.tag_index, strict=True):
        kept = index[index >= 0]
        assert len(kept)
        assert (heat.reshape(-1)[kept] > 0.8).all()


def test_what_autograd_keeps_is_counted_once():
    layer, image = nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 10, 10)
    with count_kept(layer) as kept:
        layer(image).relu().square().sum()
    assert kept.size == 400 + 256  # the image, and what relu gave, which square needs, too


def test_the_command_lists_the_faults_and_ends_with_1(tmp_path, capsys):
    config = str(write_config(tmp_path))
    assert main(["check", config, "--picture", str(tmp_path / "b.png")]) == 0
    assert "small.py can be trained" in capsys.readouterr().out
    assert Path(tmp_path / "b.png").is_file()
    assert main(["check", config, "--cfg-options", "train_cfg.val_interval=9", "--processes", "7"]) == 1
    assert re.search(r"small\.py has 2 faults:\n  - .*\n  - ", capsys.readouterr().err)


def test_every_synthetic_recipe_can_be_trained():
    for path in sorted((ROOT / "configs" / "synthetic").glob("*.py")):
        options = {f"{key}_dataloader.dataset.length": 8 for key in ("train", "val")}
        assert not try_config(load_config(str(path), options), Plan()).faults, path
