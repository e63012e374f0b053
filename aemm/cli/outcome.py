"""How every command of aemm ends: its exit code, and what is said of an error.

An error is the *user's* where the environment is at fault (a file, a disk, a port, memory, an absent package), or where
aemm, its engine or a module of the user raised it on purpose: a ``ValueError`` that a ``raise`` statement made is a
message to the user, one out of ``numpy`` or out of ``int("x")`` is a slip that nobody foresaw. Users get the message
alone; everything else is a fault of our own, whose traceback is printed with the wish to report it.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from opcode import opmap
from types import FrameType, TracebackType
from typing import NoReturn


class ExitCode(IntEnum):
    """What the exit code of ``aemm``, of the tools and of their launch scripts says.

    Attributes:
        DONE: all was done.
        FAULT: an error ended the command; it is described on stderr.
        USAGE: the command line is wrong; nothing was done.
        LEFT_OUT: done, but something was left out, which the command lists.
        REQUEUE: stopped by a signal that announces the end of the time; saved, and asks to be started again.
        INTERRUPTED: ended by Ctrl-C (SIGINT); what was done is kept.
        UNHEARD: the reader of the output went away (SIGPIPE), as ``| head`` does.
        TERMINATED: ended by SIGTERM; what was done is kept.
    """

    DONE = 0
    FAULT = 1
    USAGE = 2
    LEFT_OUT = 3
    REQUEUE = 75  # EX_TEMPFAIL of sysexits.h: try again later
    INTERRUPTED = 128 + signal.SIGINT
    UNHEARD = 128 + 13  # SIGPIPE, which Windows lacks
    TERMINATED = 128 + signal.SIGTERM


# packages whose errors, raised on purpose, speak of the user's input
_SPEAKERS = ("aemm", "mmengine")
# errors of torch that tell of memory and network
_OUT_OF_MEMORY = "OutOfMemoryError"
_OF_THE_MACHINE = (_OUT_OF_MEMORY, "DistNetworkError", "DistStoreError")
_REPORT = (
    "This is a fault of aemm, or of code that the config imports, not of your input. "
    "Please report the former with the lines above and the command."
)


def run(work: Callable[[], int]) -> int:
    """Do the work of a command and say how it ended; the message of an error goes to stderr.

    NumPy, which reads ``OPENBLAS_NUM_THREADS`` when it is imported, is told to multiply by one thread: its matrices are
    small here, and threads that wait for each other take ten times as long for them on a busy machine.

    Args:
        work: returns an :class:`ExitCode`.

    Returns:
        The exit code. A ``SystemExit`` of the work passes.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _print_any_text()
    try:
        with _terminable():
            code = work()
            _leave_group()
            _finish_output()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _is_unheard():
            return ExitCode.UNHEARD
        _tell(error)
        return ExitCode.FAULT
    return code


def _print_any_text() -> None:
    """Let stdout take names that its encoding lacks, which then show as escapes; bytes that are no text stay bytes."""
    codecs.register_error("aemm.escaped", _escaped)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in ("strict", "surrogateescape"):
        sys.stdout.reconfigure(errors="aemm.escaped")


def _escaped(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = b""
    for letter in error.object[error.start : error.end]:
        stands_for_byte = 0xDC80 <= ord(letter) <= 0xDCFF
        found += letter.encode("ascii", "surrogateescape" if stands_for_byte else "backslashreplace")
    return found, error.end


@contextmanager
def _terminable() -> Iterator[None]:
    """End by ``SystemExit`` on the first SIGTERM, so that what is open is closed; a second one ends at once."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if hasattr(signal, "SIGCHLD"):
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch complains of workers that were terminated, too
        raise SystemExit(ExitCode.TERMINATED)

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:  # not in the main thread, where signals are not ours
        yield
        return
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is end:  # or else the work left another, which is to outlive it
            signal.signal(signal.SIGTERM, before)


def _is_unheard() -> bool:
    """Whether nobody reads stdout any more; what is still to be written then goes nowhere."""
    try:
        number = sys.stdout.fileno()
        watch = select.poll()
        watch.register(number, 0)
        unheard = any(event & select.POLLERR for _, event in watch.poll(0))
    except (AttributeError, OSError):  # stdout is no file, or the system cannot tell
        return False
    if unheard:
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)  # or Python complains when it ends
    return unheard


def _finish_output() -> None:
    """Write what stdout still holds; nobody need read it, since the work is done."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _is_unheard()


def _leave_group() -> None:
    """Leave the process group, if the work joined one."""
    dist = sys.modules.get("torch.distributed")
    if dist is not None and dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def _tell(error: Exception) -> None:
    """Print what there is to say of an error."""
    import traceback

    users = is_users(error)
    if not users or os.environ.get("AEMM_TRACEBACK") == "1":
        traceback.print_exception(error)
    if users:
        print(f"\nerror: {plain_message(error)}\n(AEMM_TRACEBACK=1 shows where it was raised)", file=sys.stderr)
    else:
        print(f"\n{_REPORT}", file=sys.stderr)


def is_users(error: BaseException) -> bool:
    """Whether an error is the user's to mend; see the head of this module.

    Args:
        error: as it was caught.
    """
    if isinstance(error, MemoryError) or _is_torchs(error, *_OF_THE_MACHINE):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return True
    if isinstance(error, ModuleNotFoundError):
        return (error.name or "").partition(".")[0] != "aemm"
    return isinstance(error, ValueError | OSError | ImportError) and _raised_on_purpose(error)


def plain_message(error: BaseException) -> str:
    """What an error says, without the traceback that a data loader's worker puts around it."""
    text = str(error)
    if _in_worker(error):
        # the message follows the name of the class, at the start of the line below the last frame
        return re.split(rf"^(?:\w+\.)*{type(error).__name__}: ", text, maxsplit=1, flags=re.MULTILINE)[-1].rstrip()
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, MemoryError) or _is_torchs(error, _OUT_OF_MEMORY):
        return f"out of memory; a smaller batch or image needs less ({text.splitlines()[0] if text else 'no details'})"
    return text


def _in_worker(error: BaseException) -> bool:
    """Whether an error was raised by a worker of a data loader, and is told again in this process."""
    return "\nOriginal Traceback (most recent call last):\n" in str(error)


def _is_torchs(error: BaseException, *names: str) -> bool:
    """Whether an error is of one of these classes of torch, which is not imported for the question."""
    return type(error).__module__.partition(".")[0] == "torch" and type(error).__name__ in names


def _raised_on_purpose(error: BaseException) -> bool:
    """Whether a ``raise`` statement of aemm, of its engine or of the user's own code made the error."""
    if _in_worker(error):
        file, line = re.findall(r'^ +File "(.+)", line \d+, in .+\n +(.*)', str(error), re.MULTILINE)[-1]
        return line.startswith("raise ") and _speaks_to_users(file)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and _is_raise(trace) and _speaks_to_users(trace.tb_frame.f_code.co_filename)


def _is_raise(trace: TracebackType) -> bool:
    """Whether the instruction at which a traceback ends is that of a ``raise`` statement."""
    return trace.tb_frame.f_code.co_code[trace.tb_lasti] == opmap["RAISE_VARARGS"]


def _speaks_to_users(file: str) -> bool:
    """Whether a source file is aemm's, the engine's or the user's, and not another library's."""
    import sysconfig

    libraries = [sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")]
    for library in libraries:
        if file.startswith(library + os.sep):
            return file.removeprefix(library + os.sep).split(os.sep)[0] in _SPEAKERS
    return not file.startswith("<frozen ")
