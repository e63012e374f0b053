"""torchrun whose exit code is that of the processes it started, and which passes SIGUSR1 on to them, too.

python tools/dist_agent.py --nproc_per_node=8 tools/train.py CONFIG --launcher pytorch

torchrun itself ends with 1 whatever happened, and SIGUSR1 ends it and leaves its processes behind. SIGTERM it passes
on; processes that have not ended 30 s later are killed (newer versions of torch read another time from
``TORCH_ELASTIC_SHUTDOWN_TIMEOUT``).
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

from torch.distributed import DistNetworkError, run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

REQUEUE = 75  # what a training ends with that SIGUSR1 has stopped
_QUIET = (REQUEUE, 128 + signal.SIGINT, 128 + signal.SIGTERM)


def _pass_on(number: int, frame: FrameType | None) -> None:
    # what torchrun's own handler does; its agent then sends the signal to every process
    raise SignalException(f"got signal {number}", signal.Signals(number))


def exit_code(error: ChildFailedError) -> int:
    """The exit code of the process that ended first, as a shell gives it."""
    code = error.get_first_failure()[1].exitcode
    return code if code >= 0 else 128 - code


def main(arguments: list[str] | None = None) -> int:
    """Run torchrun's command line; its exit code."""
    signal.signal(signal.SIGUSR1, _pass_on)
    try:
        run.run(run.parse_args(arguments))
    except ChildFailedError as error:
        code = exit_code(error)
        if code not in _QUIET:
            print(error, file=sys.stderr)
        return code
    except DistNetworkError as error:
        print(f"error: {error}\nIs another job at this address? Choose another port with PORT=…", file=sys.stderr)
        return 1
    except SignalException as error:
        return REQUEUE if error.sigval == signal.SIGUSR1 else 128 + error.sigval
    return 0


if __name__ == "__main__":
    sys.exit(main())
