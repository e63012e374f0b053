"""The launcher's exit codes and signals, with programs that do little; then a training of two processes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.end_to_end import ROOT, free_port, write_config

TRAP = """
import signal, sys, time
from pathlib import Path
def end(number, frame):
    sys.exit({"SIGUSR1": 75, "SIGTERM": 143}[signal.Signals(number).name])
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, end)
Path(sys.argv[1] + sys.argv[2]).touch() if len(sys.argv) > 2 else Path(sys.argv[1]).touch()
time.sleep(60)
"""


def launch(*command):
    agent = [sys.executable, "tools/dist_agent.py", f"--master_port={free_port()}", "--nproc_per_node=1"]
    return subprocess.Popen([*agent, *map(str, command)], cwd=ROOT, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("code", [0, 1, 3, 75])
def test_the_exit_code_is_that_of_the_program(tmp_path, code):
    (tmp_path / "program.py").write_text(f"raise SystemExit({code})")
    process = launch(tmp_path / "program.py")
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert ("FAILED" in said) == (code in (1, 3))


def test_a_program_that_a_signal_ended_gives_the_code_of_a_shell(tmp_path):
    (tmp_path / "program.py").write_text("import os; os.kill(os.getpid(), 9)")
    process = launch(tmp_path / "program.py")
    process.communicate(timeout=60)
    assert process.returncode == 137


@pytest.mark.parametrize(("number", "code"), [(signal.SIGUSR1, 75), (signal.SIGTERM, 143)])
def test_signals_are_passed_on(tmp_path, number, code):
    (tmp_path / "program.py").write_text(TRAP)
    process = launch(tmp_path / "program.py", tmp_path / "began")
    wait_for(tmp_path / "began", process)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in said


def test_an_address_in_use_is_named_with_the_remedy(tmp_path):
    (tmp_path / "program.py").write_text(TRAP)
    first = launch(tmp_path / "program.py", tmp_path / "began")
    wait_for(tmp_path / "began", first)
    port = next(word for word in first.args if "port" in word)
    agent = [sys.executable, "tools/dist_agent.py", port, "--nproc_per_node=1", str(tmp_path / "program.py"), "x"]
    second = subprocess.run(agent, cwd=ROOT, capture_output=True, text=True, timeout=60)
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)
    assert second.returncode == 1
    assert "Choose another port with PORT=" in second.stderr
    assert "Traceback" not in second.stderr


def wait_for(path, process):
    deadline = time.time() + 60
    while not path.exists() and process.poll() is None and time.time() < deadline:
        time.sleep(0.05)


def test_two_processes_stop_behind_one_iteration_and_go_on(tmp_path):
    config, work_dir = write_config(tmp_path, "\ntrain_cfg = dict(max_epochs=2000)\n"), tmp_path / "run"
    command = ["bash", "tools/dist_train.sh", str(config), "2", "--work-dir", str(work_dir)]
    more = ["train_dataloader.num_workers=1", "default_hooks.checkpoint.interval=1000"]
    env = os.environ | dict(PORT=str(free_port()), OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT))
    env["PATH"] = f"{os.path.dirname(sys.executable)}{os.pathsep}{env['PATH']}"
    log = open(tmp_path / "log.txt", "w+")  # noqa: SIM115
    process = subprocess.Popen([*command, "--cfg-options", *more], cwd=ROOT, env=env, stdout=log, stderr=log)
    deadline = time.time() + 200
    while "Epoch(train) [2]" not in (tmp_path / "log.txt").read_text() and time.time() < deadline:
        assert process.poll() is None, (tmp_path / "log.txt").read_text()
        time.sleep(0.1)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=100) == 75, (tmp_path / "log.txt").read_text()
    (saved,) = work_dir.glob("epoch_*.pth")
    epochs = int(saved.stem.split("_")[1]) + 1
    options = ["--resume", "--cfg-options", f"train_cfg.max_epochs={epochs}"]
    result = subprocess.run(
        [*command, *options],
        cwd=ROOT,
        env=env | dict(PORT=str(free_port())),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"Load checkpoint from {saved}" in result.stdout + result.stderr
    assert (work_dir / f"epoch_{epochs}.pth").exists()
