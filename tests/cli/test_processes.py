"""Several processes of one run: their exit code and the signals that reach them."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.end_to_end import ROOT, run_tool

ENDING = """
import os, sys
sys.exit(int(sys.argv[1]) if os.environ["RANK"] == "1" else 0)
"""
WAITING = """
import os, pathlib, signal, sys, time
def end(number, frame):
    pathlib.Path(sys.argv[1] + os.environ["RANK"]).write_text(signal.Signals(number).name)
    sys.exit(7)
for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, end)
pathlib.Path(sys.argv[1] + os.environ["RANK"]).touch()
time.sleep(60)
"""


@pytest.mark.parametrize("code", [0, 75])
def test_the_exit_code_is_that_of_the_process_that_failed(tmp_path, code):
    (tmp_path / "ending.py").write_text(ENDING)
    port = str(29630 + code % 10)
    result = run_tool("tools/processes.py", 2, tmp_path / "ending.py", code, PORT=port)
    assert result.returncode == code
    assert "Traceback" not in result.stderr


def test_a_port_that_is_in_use_is_named(tmp_path):
    (tmp_path / "ending.py").write_text(ENDING)
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = run_tool("tools/processes.py", 2, tmp_path / "ending.py", 0, PORT=port)
    assert result.returncode == 1
    assert f"error: the processes cannot meet at 127.0.0.1:{port}" in result.stderr
    assert "choose a free port by PORT=" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 75)])
def test_a_signal_reaches_the_processes(tmp_path, number, code):
    (tmp_path / "waiting.py").write_text(WAITING)
    process = subprocess.Popen(
        [sys.executable, "tools/processes.py", "2", tmp_path / "waiting.py", tmp_path / "got"],
        cwd=ROOT,
        env=os.environ | dict(PORT=str(29640 + code % 10), OMP_NUM_THREADS="1"),
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.time() + 60
    while len(list(tmp_path.glob("got*"))) < 2 and time.time() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert [(tmp_path / f"got{rank}").read_text() for rank in (0, 1)] == [signal.Signals(number).name] * 2
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    "words",
    [
        ("tools/dist_train.sh",),
        ("tools/dist_train.sh", "config.py", "none"),
        ("tools/dist_train.sh", "config.py", "0"),
        ("tools/dist_test.sh", "config.py", "checkpoint.pth"),
        ("tools/dist_test.sh", "config.py", "checkpoint.pth", "-1"),
        ("tools/slurm_train.sh", "partition"),
        ("tools/slurm_test.sh", "partition", "job", "config.py"),
    ],
)
def test_a_wrong_call_of_a_launch_script_is_usage(words):
    result = run_tool(*words)
    assert result.returncode == 2
    assert "usage:" in result.stderr
    assert "Traceback" not in result.stderr


SRUN = """#!/usr/bin/env bash
echo "$@" >> {calls}
count=$(wc -l < {calls})
[ "$count" -lt {turns} ] && exit 75
exit {code}
"""


def slurm(tmp_path, *words, turns=1, code=0, **environment):
    """The outcome of slurm_train.sh with a Slurm that lets it have some turns, and the words of every call of srun."""
    calls = tmp_path / "calls"
    for name, text in (("srun", SRUN), ("scontrol", 'echo "$@" > {calls}.scontrol')):
        path = tmp_path / name
        path.write_text(text.format(calls=calls, turns=turns, code=code))
        path.chmod(0o755)
    command = ["bash", "tools/slurm_train.sh", *words, "gpu", "job", "c.py", "run", "--seed", "1"]
    env = os.environ | dict(PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}", GPUS="2") | environment
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    return result, calls.read_text().splitlines()


def test_slurm_runs_the_tool_once(tmp_path):
    result, calls = slurm(tmp_path, turns=9, SRUN_ARGS="--qos low")
    assert result.returncode == 75
    (words,) = calls
    assert "-p gpu --job-name=job" in words
    assert "--ntasks=2" in words
    assert "--qos low" in words
    assert words.endswith("python -u tools/train.py c.py --work-dir run --launcher slurm --seed 1")


@pytest.mark.parametrize("code", [0, 1])
def test_a_run_that_asks_for_it_is_queued_again_and_goes_on(tmp_path, code):
    result, calls = slurm(tmp_path, "--requeue", turns=3, code=code, GRACE="60")
    assert result.returncode == code
    assert len(calls) == 3
    assert all("--signal=USR1@60" in words and words.endswith("slurm --resume --seed 1") for words in calls)


def test_within_a_batch_job_the_job_is_queued_again(tmp_path):
    result, calls = slurm(tmp_path, "--requeue", turns=3, SLURM_JOB_ID="42")
    assert result.returncode == 75
    assert len(calls) == 1
    assert (tmp_path / "calls.scontrol").read_text() == "requeue 42\n"


def test_a_signal_goes_through_the_requeue_script(tmp_path):
    srun = tmp_path / "srun"
    srun.write_text(
        "#!/usr/bin/env bash\ntrap 'echo got >&2; sleep 0.5; exit 143' TERM\n"
        "echo ready\nfor i in $(seq 300); do sleep 0.1; done\n"
    )
    srun.chmod(0o755)
    process = subprocess.Popen(
        ["bash", "tools/slurm_train.sh", "--requeue", "gpu", "job", "c.py", "run"],
        cwd=ROOT,
        env=os.environ | dict(PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert errors == "got\n"
