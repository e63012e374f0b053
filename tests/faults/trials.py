"""A tiny training that is killed, or whose disk fills up, and is resumed until it is done.

Every process is forked from a server that has imported everything, so that a training takes about a second.
"""

import errno
import multiprocessing
import os
import random
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.fileio import LocalBackend
from mmengine.hooks import runtime_info_hook
from mmengine.runner import runner as engine_runner

from aemm.cli.outcome import run
from aemm.engine import build_runner, checkpoint_hook, load_config, set_work_dir
from tests.end_to_end import write_config

EPOCHS = 5
TINY = f"""
custom_imports = dict(imports=["tests.faults.parts"])
train_dataloader = dict(batch_size=2, dataset=dict(length=6))
val_dataloader = dict(batch_size=2, dataset=dict(length=3))
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type="SumOfScores")
test_evaluator = val_evaluator
train_cfg = dict(max_epochs={EPOCHS})
default_hooks = dict(checkpoint=dict(save_best="sum", max_keep_ckpts=2))
visualizer = dict(type="Visualizer", vis_backends=[dict(type="LocalVisBackend")])
randomness = dict(seed=1)
"""
KINDS = ("killed", "killed while writing", "terminated", "terminated while writing", "full disk while writing")


@dataclass
class Fault:
    """What happens to one process.

    Attributes:
        kind: one of KINDS; None = nothing.
        at: the moment; seconds after training began, or how many events of writing come before.
        part: of a file that is written before the fault, 0 to 1.
        aim: the start of the names of the files that count as events.
    """

    kind: str | None = None
    at: float = 0
    part: float = 0.5
    aim: str = ""


@dataclass
class Outcome:
    """What became of a trial: the kinds of its faults, how its runs ended, and what was wrong with the result."""

    kinds: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def _strike(fault: Fault) -> None:
    """Do what is to be done at an event of writing."""
    if fault.kind == "full disk while writing":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.kill(os.getpid(), signal.SIGKILL if fault.kind == "killed while writing" else signal.SIGTERM)


def watch_writing(fault: Fault) -> list[str]:
    """Let a fault strike at an event of writing; the list of events grows as they happen.

    Events are the writing of a file (half done), and before and after it gets its name, before the newest one is
    written down, and before old ones are deleted.
    """
    events: list[str] = []

    def happen(event: str, name: str) -> bool:
        if not name.lstrip(".").startswith(fault.aim):
            return False
        events.append(f"{event} {name}")
        return fault.kind is not None and fault.kind.endswith("writing") and len(events) - 1 == int(fault.at)

    put, settle, note, remove = (
        LocalBackend.put,
        checkpoint_hook.settle,
        checkpoint_hook.name_last,
        checkpoint_hook.CheckpointFiles.remove,
    )

    def put_in_parts(self, data, path):
        if happen("write", Path(path).name):
            with open(path, "wb") as file:
                file.write(data[: int(len(data) * fault.part)])
                file.flush()
                _strike(fault)
        put(self, data, path)

    def settle_and_strike(part, target):
        if happen("before naming", target.name):
            _strike(fault)
        settle(part, target)
        if happen("after naming", target.name) and fault.kind != "full disk while writing":
            _strike(fault)

    def note_and_strike(work_dir, path):
        if happen("before noting", Path(path).name):
            _strike(fault)
        note(work_dir, path)

    def remove_and_strike(self, names):
        for name in list(names):
            if happen("before deleting", name) and fault.kind != "full disk while writing":
                _strike(fault)
            remove(self, [name])

    LocalBackend.put, checkpoint_hook.settle = put_in_parts, settle_and_strike
    checkpoint_hook.name_last, checkpoint_hook.CheckpointFiles.remove = note_and_strike, remove_and_strike
    return events


def _train(config: Path, folder: Path, fault: Fault, options: dict, session: bool) -> None:
    """What the forked process does; it ends there."""
    torch.set_num_threads(1)  # threads do not survive a fork
    leave_out_what_is_slow()
    if session:
        os.setsid()

    def main():
        cfg = load_config(str(config), options)
        set_work_dir(cfg, str(config), str(folder))
        cfg.resume = cfg.resume or cfg.load_from is None
        runner = build_runner(cfg)
        (folder / "began").touch()
        runner.train()
        return 0

    log = open(folder / "output.txt", "a")  # noqa: SIM115
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    events = watch_writing(fault)
    try:
        code = run(main)
    except SystemExit as end:
        code = end.code
    (folder / "events.txt").write_text("\n".join(events))
    sys.stdout.flush()
    os._exit(code)


def leave_out_what_is_slow() -> None:
    """Leave out what takes most of the time and bears on no checkpoint."""
    engine_runner.collect_env = dict
    engine_runner.get_git_hash = runtime_info_hook.get_git_hash = str
    Config.pretty_text = property(lambda cfg: str(cfg.filename))


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.faults.trials", "tests.faults.imported_late"])


def start(config: Path, folder: Path, fault: Fault | None = None, options: dict | None = None, session: bool = False):
    """A process that trains, or goes on where a checkpoint is.

    Args:
        config: of the training.
        folder: work dir; also for ``output.txt``, and for ``began``, which is there once everything is built.
        fault: what strikes it from inside.
        options: overrides of the config.
        session: give it a process group of its own.
    """
    folder.mkdir(exist_ok=True)
    (folder / "began").unlink(missing_ok=True)
    process = _FORKS.Process(target=_train, args=(config, folder, fault or Fault(), options or {}, session))
    process.start()
    return process


def wait_until(condition, process) -> None:
    """Wait until something is so, or the process has ended."""
    while not condition() and process.is_alive():
        time.sleep(0.005)


def one_run(config: Path, folder: Path, fault: Fault | None = None, options: dict | None = None) -> int:
    """Train, or go on, until it is done or the fault ends it; its exit code."""
    fault = fault or Fault()
    process = start(config, folder, fault, options)
    if fault.kind in ("killed", "terminated"):
        wait_until((folder / "began").exists, process)
        time.sleep(fault.at)
        with suppress(ProcessLookupError):  # it may have ended
            os.kill(process.pid, signal.SIGKILL if fault.kind == "killed" else signal.SIGTERM)
    process.join()
    return process.exitcode


def same(one, other) -> bool:
    """Whether two contents of checkpoints are the same in every bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def content(path: Path) -> dict:
    """What must not depend on where a training was stopped."""
    checkpoint = torch.load(path, weights_only=True)
    if path.name.startswith("best_"):
        return checkpoint["state_dict"]
    keys = ("state_dict", "optimizer", "param_schedulers")
    hub = checkpoint["message_hub"]
    scalars = {key: value for key, value in hub["log_scalars"].items() if "time" not in key}
    infos = {key: hub["runtime_info"].get(key) for key in ("epoch", "best_score")}
    place = {key: checkpoint["meta"][key] for key in ("epoch", "iter")}
    return {key: checkpoint[key] for key in keys if key in checkpoint} | dict(scalars=scalars, infos=infos, place=place)


class Experiment:
    """An unbroken training, and trials that are compared with it.

    Args:
        folder: for everything that is written.
        seed: of the faults.
    """

    def __init__(self, folder: Path, seed: int = 0):
        self.folder, self.random = folder, random.Random(seed)
        self.config = write_config(folder, TINY)
        self.whole = folder / "whole"
        assert one_run(self.config, self.whole) == 0, (self.whole / "output.txt").read_text()[-2000:]
        ended = (self.whole / "output.txt").stat().st_mtime
        self.seconds = ended - (self.whole / "began").stat().st_mtime
        self.events = (self.whole / "events.txt").read_text().splitlines()

    def fault(self, kind: str) -> Fault:
        """A fault of that kind at a random moment; those of writing are aimed at newest and best files alike."""
        if kind in ("killed", "terminated"):
            return Fault(kind, self.random.uniform(0, self.seconds))
        aim = self.random.choice(["epoch_", "best_"])
        aimed = [event for event in self.events if event.split()[-1].lstrip(".").startswith(aim)]
        return Fault(kind, self.random.randrange(len(aimed)), self.random.random(), aim)

    def trial(self, number: int, kinds: tuple[str, ...] = KINDS) -> Outcome:
        """A training that is stopped once or twice, and resumed until it is done."""
        folder, outcome = self.folder / f"trial_{number}", Outcome()
        options = {"default_hooks.checkpoint.on_write_error": self.random.choice(["continue", "stop"])}
        for kind in [kinds[number % len(kinds)], self.random.choice([*KINDS, *[None] * len(KINDS)]), None, None]:
            fault = self.fault(kind) if kind else Fault()
            before = _newest(folder)
            outcome.kinds += [kind] if kind else []
            outcome.codes.append(one_run(self.config, folder, fault, options))
            if _newest(folder) < before:
                outcome.faults.append(f"lost: epoch {before} was there, {_newest(folder)} is")
            if before and (begun := _begun(folder)) is not None and begun < before:
                outcome.faults.append(f"lost: epoch {before} was there, the run went on from {begun}")
            if outcome.codes[-1] == 0 and kind is None:
                break
        if outcome.codes[-1]:
            outcome.faults.append(f"lost: not done, the last run ended with {outcome.codes[-1]}")
        else:
            outcome.faults += self.differences(folder)
        return outcome

    def differences(self, folder: Path) -> list[str]:
        """What of a finished training is not as in the unbroken one."""
        names = {path.name for path in self.whole.glob("*.pth")}
        found = {path.name for path in folder.glob("*.pth")}
        faults = [f"wrong: {name} is missing" for name in sorted(names - found)]
        faults += [f"wrong: {name} is left over" for name in sorted(found - names)]
        faults += [f"wrong: {path.name} is left over" for path in folder.glob(".*.part")]
        for name in sorted(names & found):
            if not same(content(self.whole / name), content(folder / name)):
                faults.append(f"wrong: {name} differs")
        return faults


def _newest(folder: Path) -> float:
    """Epochs of the newest checkpoint that torch can read."""
    done = 0.0
    for path in folder.glob("epoch_*.pth"):
        try:
            meta = torch.load(path, weights_only=True)["meta"]
            done = max(done, meta["iter"] / 3)
        except Exception as error:
            raise AssertionError(f"{path} is neither whole nor absent") from error
    return done


def _begun(folder: Path) -> float | None:
    """From how many epochs the last run went on, as its log says; None if it did not come so far."""
    last = (folder / "output.txt").read_text().split("environment, config and the whole log")[-1]
    if "resumed epoch" in last:
        return int(last.split("resumed epoch")[1].split("iter: ")[1].split()[0]) / 3
    return 0 if "Checkpoints will be saved to" in last else None
