import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from torch._utils import ExceptionWrapper
from torch.utils.data import DataLoader, Dataset

from aemm.cli.outcome import ExitCode, is_users, plain_message, run
from aemm.datasets import UnreadableImageError
from aemm.engine import signals
from aemm.geometry import round_up
from aemm.registry import MODELS, UnknownTypeError
from tests.end_to_end import ROOT


def raised(work):
    """The exception that ``work`` ends with."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        work()
    return caught.value


def fail_on_purpose():
    raise ValueError("size must be even, got 3")


def unpack_too_few():
    first, second = [1]
    return first, second


class _Broken(Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        unreadable()


def unreadable():
    raise UnreadableImageError("image x.jpg cannot be decoded:\n  - a detail\nhint: look at it")


def told_again(work):
    """The exception as a data loader tells it again, without the seconds that its worker takes to end."""
    try:
        work()
    except ValueError:
        return raised(ExceptionWrapper(where="in DataLoader worker process 0").reraise)


def test_an_error_that_was_raised_on_purpose_is_the_users():
    assert is_users(raised(fail_on_purpose))
    assert is_users(raised(lambda: MODELS.get("NoSuchPart")))
    assert isinstance(raised(lambda: MODELS.get("NoSuchPart")), UnknownTypeError)
    assert is_users(raised(Path("/no/such/file").read_text))
    assert is_users(ModuleNotFoundError("No module named 'mmcv'", name="mmcv"))
    assert is_users(MemoryError())
    assert is_users(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_users(torch.distributed.DistNetworkError("address already in use"))


@pytest.mark.parametrize(
    "slip",
    [
        unpack_too_few,
        lambda: int("x"),
        lambda: torch.zeros(2).numpy().reshape(3),
        lambda: {}["key"],
        lambda: round_up(None, 2),
        lambda: torch.zeros(2) @ torch.zeros(3),
        lambda: __import__("aemm.no_such_module"),
        lambda: __import__("json").loads("{"),
    ],
)
def test_a_slip_that_nobody_foresaw_is_our_own(slip):
    assert not is_users(raised(slip))


def test_an_error_of_a_worker_reads_like_one_of_the_main_process():
    error = raised(lambda: next(iter(DataLoader(_Broken(), num_workers=1))))
    assert "Original Traceback" in str(error)
    assert plain_message(error) == "image x.jpg cannot be decoded:\n  - a detail\nhint: look at it"
    assert is_users(error)
    assert is_users(told_again(fail_on_purpose))
    assert not is_users(told_again(unpack_too_few))


def test_the_message_of_a_plain_file_error_names_the_file():
    assert plain_message(raised(Path("/no/such/file").read_text)) == "/no/such/file: No such file or directory"
    assert plain_message(ValueError("plain: as it is")) == "plain: as it is"


@pytest.mark.parametrize("error", [MemoryError("12 GiB"), torch.OutOfMemoryError("12 GiB\nmore")])
def test_too_little_memory_is_told_with_a_way_out(error):
    assert plain_message(error) == "out of memory; a smaller batch or image needs less (12 GiB)"


def test_a_user_error_ends_with_its_message_alone(capsys, monkeypatch):
    monkeypatch.delenv("AEMM_TRACEBACK", raising=False)
    assert run(fail_on_purpose) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("\nerror: size must be even, got 3\n")
    assert "Traceback" not in printed
    monkeypatch.setenv("AEMM_TRACEBACK", "1")
    assert run(fail_on_purpose) == 1
    printed = capsys.readouterr().err
    assert "in fail_on_purpose" in printed
    assert "error: size must be even, got 3" in printed


def test_a_fault_of_our_own_keeps_its_traceback_and_asks_for_a_report(capsys):
    assert run(unpack_too_few) == 1
    printed = capsys.readouterr().err
    assert "in unpack_too_few" in printed
    assert "error:" not in printed
    assert "Please report" in printed


def test_the_code_of_the_work_is_the_code_of_the_command():
    assert run(lambda: ExitCode.LEFT_OUT) == 3
    with pytest.raises(SystemExit) as caught:
        run(lambda: sys.exit(ExitCode.REQUEUE))
    assert caught.value.code == 75


def test_a_training_that_a_signal_stopped_ends_with_the_codes_of_all_commands():
    assert (signals.REQUEUE, signals.TERMINATED) == (ExitCode.REQUEUE, ExitCode.TERMINATED)


def test_the_handler_of_the_caller_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    assert run(lambda: ExitCode.DONE) == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_handler_that_the_work_leaves_outlives_it():
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert run(lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN) and ExitCode.DONE) == 0
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


WAITING = """
import sys, time
from aemm.cli.outcome import run
def work():
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("kept", flush=True)
sys.exit(run(work))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_quietly_after_what_was_done_is_kept(number, code):
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite in the background ignores it
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (code, "kept\n", "")


TALKING = """
import sys
from aemm.cli.outcome import run
def work():
    for number in range(100000):
        print(number)
    return 0
sys.exit(run(work))
"""


def test_a_reader_that_goes_away_ends_the_command_quietly():
    command = f'"{sys.executable}" -c \'{TALKING}\' | head -n 1; exit "${{PIPESTATUS[0]}}"'
    result = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (141, "0\n", "")


def test_another_broken_pipe_is_an_error():
    def write_to_nobody():
        reader, writer = os.pipe()
        os.close(reader)
        os.write(writer, b"x")

    assert run(write_to_nobody) == ExitCode.FAULT


def test_a_command_in_another_thread_leaves_signals_alone():
    codes = []
    thread = threading.Thread(target=lambda: codes.append(run(lambda: ExitCode.DONE)))
    thread.start()
    thread.join()
    assert codes == [0]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted as Linux lists them")
@pytest.mark.parametrize(("given", "threads"), [({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, min(2, os.cpu_count() or 1))])
def test_numpy_multiplies_by_one_thread_unless_the_environment_says_otherwise(given, threads):
    code = """
from pathlib import Path
from aemm.cli.outcome import run

def work():
    import numpy
    return len(list(Path("/proc/self/task").iterdir()))

print(run(work))
"""
    place = {name: value for name, value in os.environ.items() if not name.endswith("NUM_THREADS")} | given
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=place, capture_output=True, text=True, check=True)
    assert int(done.stdout) == threads


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_names_that_a_terminal_cannot_show_end_no_command(errors):
    code = "from aemm.cli.outcome import run; run(lambda: print('gr\\xfcn \\u043f.png', 'b\\udcfcro') or 0)"
    environment = os.environ | dict(PYTHONPATH=str(ROOT), PYTHONIOENCODING=f"latin-1:{errors}")
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"gr\xfcn \\u043f.png b\xfcro\n", b"")
