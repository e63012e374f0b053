"""Seconds from the start of a command to its first work, beside those of mmengine's runner, which most of them import.

Each is run anew, in turn, and its processor time is counted, that of its children included: of ``aemm predict --help``;
until an Inferencer is ready; until ``aemm train`` has the first batch of its first iteration.

python benchmarks/starting.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

from timing import Bar, Row, print_table, summarise

ROUNDS = 3
STOPPED = 7  # exit code of a training that was stopped where its first iteration begins
RECIPE = "configs/synthetic/pose_hourglass_tiny_128.py"
FLOOR = "import mmengine.runner"
HELP = "from aemm.cli import main; main(['predict', '--help'])"
READY = f"from aemm.apis import Inferencer; Inferencer({RECIPE!r}, None, 'cpu')"
TRAIN = f"""
import os
from aemm.cli import main, train

def until_first_iteration(args):
    runner = build(args)
    from mmengine.hooks import Hook
    class Stop(Hook):
        def before_train_iter(self, *args, **kwargs):
            os._exit({STOPPED})
    runner.register_hook(Stop())
    return runner

build, train._build = train._build, until_first_iteration
main(["train", {RECIPE!r}, "--work-dir", os.environ["WORK_DIR"]])
"""
NOTE = "what is left are imports of torch and mmengine that building and training need, and building the model."


def seconds(code: str, folder: str) -> float:
    """Processor seconds of a new Python that runs so much code."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"WORK_DIR": folder},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != (STOPPED if code == TRAIN else 0):
        raise SystemExit(f"this ended with {process.returncode}: {code}")
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Time every start."""
    starts = {"import mmengine.runner": FLOOR, "help": HELP, "ready": READY, "train": TRAIN}
    spent: dict[str, list[float]] = {name: [] for name in starts}
    for _ in range(ROUNDS):
        for name, code in starts.items():
            with tempfile.TemporaryDirectory() as folder:
                spent[name].append(seconds(code, folder))
    summarise(Row("`aemm predict --help`", Bar(own=0.3), statistics.median(spent["help"]), "s", ROUNDS))
    for name, told in (("ready", "first `Inferencer` ready"), ("train", "training to the first iteration")):
        beyond = statistics.median(own - least for own, least in zip(spent[name], spent[FLOOR], strict=True))
        row = Row(f"{told}, beyond `import mmengine.runner`", Bar(own=1.5), beyond, "s", ROUNDS, note=NOTE)
        summarise(row)
    rows = [[name, str(ROUNDS), f"{statistics.median(taken):.2f}"] for name, taken in spent.items()]
    print_table("from the start of Python", ["until", "rounds", "CPU s"], rows)


if __name__ == "__main__":
    main()
