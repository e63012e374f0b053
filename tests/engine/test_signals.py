"""Signals to a training in a process of its own, and to all processes of one."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

from aemm.engine.signals import StopSignals
from tests.end_to_end import ROOT, check, free_port, run_tool, write_config
from tests.faults.trials import TINY, one_run, same, start, wait_until

LONG = TINY.replace("max_epochs=5", "max_epochs=2000").replace("max_keep_ckpts=2", "max_keep_ckpts=2, interval=1000")
CODES = {signal.SIGUSR1: 75, signal.SIGTERM: 143}


@pytest.fixture(autouse=True)
def _handlers():
    before = {number: signal.getsignal(number) for number in CODES}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return write_config(tmp_path_factory.mktemp("config"), LONG)


def output(folder):
    return (folder / "output.txt").read_text()


def trains(folder):
    return lambda: (folder / "output.txt").exists() and "Epoch(train)" in output(folder)


def validates(folder):
    return lambda: (folder / "output.txt").exists() and re.search(r"Epoch\(val\) +\[3\]", output(folder))


@pytest.mark.parametrize(("number", "code"), CODES.items())
def test_a_signal_saves_and_ends_with_a_code_that_scripts_understand(config, tmp_path, number, code):
    folder = tmp_path / "run"
    process = start(config, folder)
    wait_until(trains(folder), process)
    sent = time.time()
    os.kill(process.pid, number)
    process.join(60)
    assert time.time() - sent < 60
    assert process.exitcode == code, output(folder)
    (saved,) = folder.glob("epoch_*.pth")
    assert f"stopped by {number.name} after " in output(folder)
    assert f"with exit code {code}; --resume goes on from {saved}" in output(folder)
    done = torch.load(saved, weights_only=True)["meta"]
    assert saved.name == (f"epoch_{done['epoch']}_iter_{done['iter']}.pth" if done["iter"] % 3 else saved.name)
    # an unbroken run comes to the same weights as this one and the one that goes on
    options = {"train_cfg.max_epochs": done["epoch"] + 2, "default_hooks.checkpoint.save_best": None}
    assert one_run(config, folder, options=options) == 0, output(folder)
    assert one_run(config, tmp_path / "whole", options=options) == 0
    name = f"epoch_{done['epoch'] + 2}.pth"
    assert same(*(torch.load(where / name, weights_only=True)["state_dict"] for where in (folder, tmp_path / "whole")))
    assert not list(folder.glob("*_iter_*"))


def test_all_processes_of_a_job_may_get_the_signal_more_than_once(config, tmp_path):
    """As Slurm and torchrun send it, and with workers that load data."""
    folder = tmp_path / "run"
    workers = {"train_dataloader.num_workers": 2, "train_dataloader.persistent_workers": True}
    process = start(config, folder, options=workers, session=True)
    wait_until(trains(folder), process)
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGTERM):
        os.killpg(process.pid, number)
    process.join(60)
    assert process.exitcode == 75, output(folder)
    assert len(list(folder.glob("epoch_*.pth"))) == 1
    assert "DataLoader worker" not in output(folder)
    wait_until(lambda: not group_exists(process.pid), process)
    deadline = time.time() + 10
    while group_exists(process.pid) and time.time() < deadline:
        time.sleep(0.1)
    assert not group_exists(process.pid)  # no worker is left behind


def group_exists(pid):
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_validation_is_left_at_once_and_what_was_trained_before_it_is_saved(tmp_path):
    """With EMA, whose weights are in the model's place during a validation."""
    config = write_config(tmp_path, LONG + 'custom_hooks = [dict(type="EMAHook")]\n')
    folder = tmp_path / "run"
    long = {"val_dataloader.dataset.length": 3000, "val_dataloader.batch_size": 1, "train_cfg.val_interval": 3}
    process = start(config, folder, options={**long, "default_hooks.logger.interval": 1})
    wait_until(validates(folder), process)
    os.kill(process.pid, signal.SIGTERM)
    process.join(60)
    assert process.exitcode == 143, output(folder)
    without = {"train_cfg.max_epochs": 3, "val_cfg": None, "val_dataloader": None, "val_evaluator": None}
    assert one_run(config, tmp_path / "whole", options=without) == 0, output(tmp_path / "whole")
    ours, whole = (torch.load(where / "epoch_3.pth", weights_only=True) for where in (folder, tmp_path / "whole"))
    for key in ("state_dict", "ema_state_dict", "optimizer"):
        assert same(ours[key], whole[key])


def test_two_processes_stop_behind_one_iteration_and_go_on(tmp_path):
    config, folder = write_config(tmp_path, LONG), tmp_path / "run"
    log = tmp_path / "log.txt"
    command = ["bash", "tools/dist_train.sh", str(config), "2", "--work-dir", str(folder)]
    env = os.environ | dict(PORT=str(free_port()), OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT))
    env["PATH"] = f"{os.path.dirname(sys.executable)}{os.pathsep}{env['PATH']}"
    with open(log, "w") as stream:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=stream, stderr=stream)
    deadline = time.time() + 200
    while not re.search(r"Epoch\(train\) +\[2\]", log.read_text()) and time.time() < deadline:
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=100) == 75, log.read_text()
    assert log.read_text().count("stopped by SIGUSR1") == 1
    (saved,) = folder.glob("epoch_*.pth")
    epochs = int(saved.stem.split("_")[1]) + 1
    result = run_tool(
        *command[1:], "--resume", "--cfg-options", f"train_cfg.max_epochs={epochs}", PORT=str(free_port())
    )
    assert f"Load checkpoint from {saved}" in check(result)
    assert (folder / f"epoch_{epochs}.pth").exists()


def test_a_signal_before_the_first_iteration_ends_at_once():
    with pytest.raises(SystemExit) as caught, StopSignals():
        signal.raise_signal(signal.SIGUSR1)
    assert caught.value.code == 75


def test_handlers_are_put_back_after_a_training():
    before = {number: signal.getsignal(number) for number in CODES}
    with StopSignals():
        assert all(signal.getsignal(number) != handler for number, handler in before.items())
    assert {number: signal.getsignal(number) for number in CODES} == before


def test_a_training_that_fails_after_the_signal_ends_by_it():
    got = []
    signal.signal(signal.SIGTERM, lambda number, frame: got.append(number))

    def fail():
        with StopSignals() as signals:
            signals.waits = True
            signal.raise_signal(signal.SIGTERM)
            raise RuntimeError("connection closed by peer")

    with pytest.raises(RuntimeError):
        fail()
    assert got == [signal.SIGTERM]


def test_the_first_signal_counts():
    with StopSignals() as signals:
        signals.waits = True
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)
        assert signals.code == 75
