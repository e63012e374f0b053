"""Training and testing through the command line, as users do."""

import importlib.util
import json
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

from tests.end_to_end import ROOT, check, free_port, run_tool, write_config


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A work dir after two epochs, and its config."""
    folder = tmp_path_factory.mktemp("trained")
    config = write_config(folder)
    output = check(run_tool("tools/train.py", config, "--work-dir", folder / "run", "--seed", "3"))
    return config, folder / "run", output


def _weights(path):
    return torch.load(path, weights_only=True)["state_dict"]


def _metrics(output):
    line = next(line for line in reversed(output.splitlines()) if "Epoch(test)" in line)
    return dict(re.findall(r"(coco/\w+): (-?[\d.]+)", line))


def test_training_logs_losses_spread_and_eta_and_keeps_the_best(trained):
    _, work_dir, output = trained
    for word in ("loss_heatmap", "loss_pull", "loss_push", "tag_spread", "eta:", "coco/AP"):
        assert word in output
    assert (work_dir / "epoch_2.pth").is_file()
    assert list(work_dir.glob("best_coco_AP_epoch_*.pth"))


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="the tensorboard extra is not installed")
def test_curves_go_to_tensorboard(trained):
    assert list(trained[1].rglob("events.out.tfevents.*"))


def test_checkpoints_hold_tensors_and_plain_types_only(trained):
    checkpoint = torch.load(trained[1] / "epoch_2.pth", weights_only=True)

    def walk(value):
        if isinstance(value, dict):
            assert type(value).__name__ in ("dict", "OrderedDict")
            for key, item in value.items():
                walk(key)
                walk(item)
        elif isinstance(value, list | tuple):
            for item in value:
                walk(item)
        else:
            assert value is None or type(value) in (bool, int, float, str, bytes) or isinstance(value, torch.Tensor)

    walk(checkpoint)
    assert checkpoint["meta"]["dataset_meta"]["skeleton"]["name"] == "coco"
    assert {"optimizer", "param_schedulers", "message_hub"} <= checkpoint.keys()


STOP = '''
from mmengine.hooks import Hook

from aemm.registry import HOOKS


@HOOKS.register_module()
class StopHook(Hook):
    """End the process after the first epoch, once its checkpoint is saved."""

    priority = "LOWEST"

    def after_train_epoch(self, runner):
        raise SystemExit(0)
'''


def test_resumed_training_ends_in_the_same_weights_bit_for_bit(trained, tmp_path):
    config, work_dir, _ = trained
    (tmp_path / "stop.py").write_text(STOP)
    extra = '\ncustom_imports = dict(imports=["stop"])\ncustom_hooks = [dict(type="StopHook")]\n'
    half, seed = tmp_path / "half", ("--seed", "3")
    stopping = write_config(tmp_path, extra)
    check(run_tool("tools/train.py", stopping, "--work-dir", half, *seed, PYTHONPATH=f"{tmp_path}:{ROOT}"))
    assert not (half / "epoch_2.pth").exists()
    output = check(run_tool("tools/train.py", config, "--work-dir", half, *seed, "--resume", "auto"))
    assert "resumed epoch: 1" in output
    expected, got = _weights(work_dir / "epoch_2.pth"), _weights(half / "epoch_2.pth")
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[name], got[name]) for name in expected)


def test_the_number_of_workers_does_not_change_the_result(trained, tmp_path):
    config, work_dir, _ = trained
    options = ("--cfg-options", "train_dataloader.num_workers=2", "train_cfg.max_epochs=1")
    check(run_tool("tools/train.py", config, "--work-dir", tmp_path / "run", "--seed", "3", *options))
    expected, got = _weights(work_dir / "epoch_1.pth"), _weights(tmp_path / "run" / "epoch_1.pth")
    assert all(torch.equal(expected[name], got[name]) for name in expected)


def test_training_goes_on_after_being_killed_in_the_middle_of_an_epoch(tmp_path):
    config = write_config(tmp_path, "\ntrain_cfg = dict(max_epochs=60)\n")
    work_dir = tmp_path / "run"
    command = [sys.executable, "tools/train.py", str(config), "--work-dir", str(work_dir)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.time() + 200
    while not (work_dir / "epoch_2.pth").exists() and time.time() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    # by the files themselves: the note of the newest is written after it, so that the kill may fall between the two
    done = max(int(file.stem.split("_")[1]) for file in work_dir.glob("epoch_*.pth"))
    assert 2 <= done < 60
    more = ("--cfg-options", f"train_cfg.max_epochs={done + 1}")
    output = check(run_tool("tools/train.py", config, "--work-dir", work_dir, "--resume", "auto", *more))
    assert f"resumed epoch: {done}" in output
    assert (work_dir / f"epoch_{done + 1}.pth").is_file()


def test_testing_prints_dumps_and_draws_by_the_config_that_a_resumed_run_saved(trained, tmp_path):
    config, work_dir, _ = trained
    config = write_config(tmp_path, "resume = True\n")
    shown, dumped = tmp_path / "pictures", tmp_path / "results.json"
    output = check(
        run_tool(
            *("tools/test.py", config, work_dir / "epoch_2.pth", "--work-dir", tmp_path / "test"),
            *("--show-dir", shown, "--show-limit", "3", "--dump", dumped),
        )
    )
    assert "coco/AP" in output
    assert len(list(shown.glob("*.png"))) == 3
    rows = json.loads(dumped.read_text())
    assert all(len(row["keypoints"]) == 51 for row in rows)


def test_two_processes_measure_what_one_measures(trained, tmp_path):
    config, work_dir, _ = trained
    one = check(run_tool("tools/test.py", config, work_dir / "epoch_2.pth", "--work-dir", tmp_path / "one"))
    two = check(
        run_tool(
            *("tools/dist_test.sh", config, work_dir / "epoch_2.pth", "2", "--work-dir", tmp_path / "two"),
            PORT=str(free_port()),
        )
    )
    assert _metrics(one) == _metrics(two)
    assert _metrics(one)


def test_two_processes_train(tmp_path):
    config = write_config(tmp_path)
    options = ("--cfg-options", "train_cfg.max_epochs=1")
    output = check(
        run_tool("tools/dist_train.sh", config, "2", "--work-dir", tmp_path / "run", *options, PORT=str(free_port()))
    )
    assert "Epoch(val) [1]" in output
    assert (tmp_path / "run" / "epoch_1.pth").is_file()


def test_the_head_of_the_guide_joins_by_custom_imports_alone(tmp_path):
    examples = ROOT / "docs" / "examples"
    assert len((examples / "gated_head.py").read_text().splitlines()) <= 30
    extra = '\ncustom_imports = dict(imports=["gated_head"])\nmodel = dict(head=dict(type="GatedHead", gate=2.0))\n'
    assert extra.strip().splitlines() == (examples / "gated_tiny_128.py").read_text().splitlines()[-2:]
    config = write_config(tmp_path, extra)
    options = ("--cfg-options", "train_cfg.max_epochs=1")
    paths = f"{examples}:{ROOT}"
    check(run_tool("tools/train.py", config, "--work-dir", tmp_path / "run", *options, PYTHONPATH=paths))
    assert _weights(tmp_path / "run" / "epoch_1.pth")["head.gate"] != 2.0
