"""torchrun, which ends as the processes that it started do: with their exit code, without a traceback of its own."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from aemm.cli.arguments import count
from aemm.cli.outcome import ExitCode, run


def main(argv: Sequence[str] | None = None) -> int:
    """Start a script as several processes, and wait for them.

    ``NNODES``, ``NODE_RANK``, ``MASTER_ADDR`` and ``PORT`` of the environment say which machines there are. A signal
    goes on to the processes, which have half a minute to end.

    Args:
        argv: number of processes, script, and its arguments; by default the words of this process.

    Returns:
        The exit code of the process that failed first, or that of the signal.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("processes", type=count, help="on this machine")
    parser.add_argument("script", help="Python file")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the script")
    args = parser.parse_args(argv)
    return run(lambda: start(args.processes, [args.script, *args.arguments]))


def start(processes: int, command: Sequence[str]) -> int:
    """Start a script as several processes of one group, and wait for them.

    Args:
        processes: on this machine.
        command: path of the script, and its arguments.

    Returns:
        See :func:`main`.

    Raises:
        ConnectionError: the processes cannot meet.
    """
    from torch.distributed import DistNetworkError
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args
    from torch.distributed.run import run as torchrun

    def announce(number: int, frame: FrameType | None) -> NoReturn:
        raise SignalException("the time is nearly over", signal.Signals(number))

    machines = {
        "--nnodes": os.environ.get("NNODES", "1"),
        "--node-rank": os.environ.get("NODE_RANK", "0"),
        "--master-addr": os.environ.get("MASTER_ADDR", "127.0.0.1"),
        "--master-port": os.environ.get("PORT", "29500"),
        "--nproc-per-node": str(processes),
    }
    options = [f"{option}={value}" for option, value in machines.items()]
    signal.signal(signal.SIGUSR1, announce)  # by which Slurm announces the end; torchrun passes on the others
    try:
        torchrun(parse_args([*options, *command]))
    except ChildFailedError as error:
        return _shell_code(error.get_first_failure()[1].exitcode)
    except SignalException as error:
        return ExitCode.REQUEUE if error.sigval == signal.SIGUSR1 else 128 + error.sigval
    except DistNetworkError as error:
        place = f"{machines['--master-addr']}:{machines['--master-port']}"
        raise ConnectionError(
            f"the processes cannot meet at {place}: {error}; another run may use it, choose a free port by PORT=…"
        ) from error
    return ExitCode.DONE


def _shell_code(code: int) -> int:
    """The exit code of a process as a shell would state it: 128 + n where signal n ended it."""
    return code if code >= 0 else 128 - code
