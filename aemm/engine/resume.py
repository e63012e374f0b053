"""From where a training starts: which checkpoint, what of it counts, and what the log says about it."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import CheckpointHook as EngineCheckpointHook
from torch import nn
from torch.utils.data import DataLoader

from aemm.engine.checkpoint_files import LAST, CheckpointFiles, named_last
from aemm.engine.early_stopping import EarlyStoppingHook
from aemm.engine.loops import EpochBasedTrainLoop, IterBasedTrainLoop
from aemm.engine.run_facts import (
    Settings,
    check_resumable,
    check_same_parts,
    differences,
    inexact,
    restore_random_states,
)
from aemm.engine.runner import Runner
from aemm.engine.signals import StopHook, StopSignals, shield_workers
from aemm.formats.checkpoint import CheckpointError, read_checkpoint


class Start(NamedTuple):
    """Where a training starts.

    Attributes:
        path: of the checkpoint to go on from; None for a new run.
        seed: of that run.
        obsolete: names of the checkpoints that the training takes the place of.
        notes: lines for the log.
    """

    path: str | None
    seed: int | None
    obsolete: list[str]
    notes: list[str]


def newest_whole(files: CheckpointFiles, work_dir: str, notes: list[str]) -> tuple[str, dict[str, Any]] | None:
    """Path and content of the newest checkpoint that is whole; None where there is none at all.

    Args:
        files: the checkpoints of the run.
        work_dir: where the newest is written down.
        notes: what was passed over is added to it.

    Raises:
        CheckpointError: there are checkpoints, but none is whole, or the one written down is elsewhere.
    """
    names, last = files.names(), named_last(work_dir)
    if last and last not in names and files.backend.isfile(files.path(last)):
        names = [last, *names]  # of a run that named its files differently
    if names and last not in names:
        notes.append(f"{LAST} is missing or names no file of {files.folder}; the newest by its name is {names[0]}")
    if last and not names:
        raise CheckpointError(
            f"{os.path.join(work_dir, LAST)} names {last}, but {files.folder} holds no such file and no other to go on "
            "from; copy it there, name one by --resume FILE, or start anew with --overwrite"
        )
    for name in names:
        try:
            return files.path(name), read_checkpoint(files.path(name))
        except CheckpointError as error:
            notes.append(f"passed over: {error}")
    if names:
        raise CheckpointError("\n".join(["none of the checkpoints is whole; start anew with --overwrite", *notes]))
    return None


def choose_start(files: CheckpointFiles, work_dir: str, resume: bool, named: str | None, overwrite: bool) -> Start:
    """Where to start.

    Args:
        files: the checkpoints of the work dir.
        work_dir: of the run.
        resume: go on from a checkpoint, if there is one.
        named: this one; None = the newest.
        overwrite: a new run may start where there are checkpoints.

    Raises:
        FileNotFoundError: the checkpoint that was named does not exist.
        CheckpointError: it cannot be gone on from, or a new run was not expected here.
    """
    notes: list[str] = []
    found = (named, read_checkpoint(named)) if resume and named else None
    if resume and not named:
        found = newest_whole(files, work_dir, notes)
        if found is None:
            notes.append(f"{files.folder} holds no checkpoint to go on from: the training starts anew")
    used = [*files.names(), *files.best()]
    if found:
        path, checkpoint = found
        check_resumable(checkpoint, path, files.names())
        if used and Path(path).resolve().parent != Path(files.folder).resolve():
            raise CheckpointError(
                f"{files.folder} holds checkpoints of another run ({', '.join(used[:4])}) than {path} does; go on from "
                "it in a --work-dir of its own"
            )
        newer = files.newer_than(os.path.basename(path)) if named else []
        if newer and not overwrite:
            raise CheckpointError(
                f"{files.folder} holds newer checkpoints than {path}: {', '.join(newer)}; go on from the newest with "
                "--resume alone, or give these up with --overwrite, which deletes them"
            )
        return Start(path, checkpoint["meta"].get("seed"), newer, notes)
    if used and not overwrite:
        remedy = "which hold no optimizer to go on with;" if resume else "go on from them with --resume,"
        raise CheckpointError(
            f"work dir {work_dir} holds checkpoints of an earlier run ({', '.join(used[:4])}); {remedy} choose another "
            "--work-dir, or replace them with --overwrite"
        )
    return Start(None, None, used, notes)


def agreed(choose: Callable[[], Start]) -> Start:
    """What the main process chooses, in all processes; they share its error, too."""
    outcome: list[Any] = [None, None]
    if is_main_process():
        try:
            outcome[0] = choose()
        except (CheckpointError, OSError) as error:
            outcome[1] = error
    broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]


def _remove_obsolete(files: CheckpointFiles, work_dir: str, start: Start) -> None:
    files.remove(start.obsolete)
    if start.path is None:
        (Path(work_dir) / LAST).unlink(missing_ok=True)


class ResumableRunner(Runner):
    """mmengine's runner, which goes on exactly where a training stopped, and says where it cannot."""

    _resume: bool
    _load_from: str | None
    _remove_obsolete: Callable[[], None] | None = None

    def train(self) -> nn.Module:
        """Train, from the place that the work dir and the command line ask for."""
        hook = next((hook for hook in self.hooks if isinstance(hook, EngineCheckpointHook)), None)
        if hook is not None:
            files, overwrite = CheckpointFiles.of(hook, self.work_dir), getattr(hook, "overwrite", False)
            named = self._load_from if self._resume else None
            start = agreed(lambda: choose_start(files, self.work_dir, self._resume, named, overwrite))
            for note in start.notes:
                self.logger.warning(note)
            self._take(start)
            self._remove_obsolete = partial(_remove_obsolete, files, self.work_dir, start)
        with StopSignals() as signals:
            self.register_hook(StopHook(signals))
            return super().train()

    def _take(self, start: Start) -> None:
        """Let mmengine go on from there, with the seed of that run from the first sample."""
        if self._resume:
            self._load_from, self._resume = start.path, start.path is not None
        given = self._randomness_cfg.get("seed")
        if start.seed is not None and start.seed != given:
            if given is not None:
                self.logger.warning(f"seed {given} is ignored: the run goes on with the checkpoint's, {start.seed}")
            self._randomness_cfg.update(seed=start.seed)
            self.set_randomness(**self._randomness_cfg)

    def load_or_resume(self) -> None:
        """Load what the training starts from; then, with everything ready, delete what it takes the place of."""
        super().load_or_resume()
        if self._remove_obsolete and is_main_process():
            self._remove_obsolete()

    def load_checkpoint(self, filename: str, *args: Any, **settings: Any) -> dict[str, Any]:
        """Load weights as mmengine does; of a checkpoint to resume, see that the rest fits, too.

        Raises:
            CheckpointError: it does not.
        """
        checkpoint: dict[str, Any] = super().load_checkpoint(filename, *args, **settings)
        if self._resume:
            check_same_parts(checkpoint, self, filename)
            self._settings, self._resumed = Settings(self), checkpoint
        return checkpoint

    def resume(
        self,
        filename: str,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: str | Callable = "cpu",
    ) -> None:
        """Go on from a checkpoint, and log what of the config does not count.

        It is read on the CPU: the counters of optimizers stay there.

        Raises:
            CheckpointError: the optimizer's state is of other parameters.
        """
        self._resume = True
        try:
            super().resume(filename, resume_optimizer, resume_param_scheduler, map_location)
        except (KeyError, ValueError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(
                f"checkpoint {filename} cannot be resumed from: its optimizer is of other parameters ({error}). Use "
                "the config it was trained with"
            ) from error
        facts = self._resumed["meta"].get("run", {})
        self._begin(facts)
        if facts.get("processes") == self.world_size:
            restore_random_states(self._resumed["meta"]["random"])
        for line in [*differences(facts, self), *self._settings.ignored(self._resumed)]:
            self.logger.warning(f"resumed: {line}")
        for hook in self.hooks:
            if isinstance(hook, EngineCheckpointHook):
                hook.last_ckpt = filename  # the newest there is, until another one is saved
            if isinstance(hook, EarlyStoppingHook) and not hook.go_on(self._resumed):
                self.logger.warning(f"the checkpoint holds no count of {hook.monitor!r}: early stopping counts anew")
        for line in inexact(self, self._resumed["meta"]):
            self.logger.warning(f"not bit by bit as without the stop: {line}")
        del self._settings, self._resumed

    def _begin(self, facts: dict[str, Any]) -> None:
        """Put the loop where the checkpoint was saved."""
        loop, meta = self.train_loop, self._resumed["meta"]
        if isinstance(loop, IterBasedTrainLoop):
            loop.begin_at(meta["iter"])
        if not isinstance(loop, EpochBasedTrainLoop):
            return
        length = facts.get("epoch_length", len(loop.dataloader))
        done = min(max(meta["iter"] - meta["epoch"] * length, 0), length)
        size = loop.dataloader.batch_size or 1
        images = done * facts.get("processes", self.world_size) * (facts.get("batch_size") or size)
        done, again = divmod(images, size * self.world_size)
        if again:
            self.logger.warning(f"resumed: {again} images of the epoch are trained on twice")
        loop.begin_at(meta["epoch"], done)

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict, seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """mmengine's, whose workers outlive a signal that the main process wants to save after.

        It draws no random numbers that the network would draw otherwise: how often a loader is started differs after
        a resume.
        """
        loader = Runner.build_dataloader(dataloader, seed, diff_rank_seed)
        loader.generator = torch.Generator().manual_seed(seed or 0)
        return shield_workers(loader)
