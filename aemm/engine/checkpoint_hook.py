"""Checkpoints of a training run that are whole or absent."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import torch
from mmengine.dist import broadcast_object_list, is_main_process, master_only
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook as EngineCheckpointHook
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from aemm.engine.checkpoint_files import LAST, CheckpointFiles, name_last
from aemm.engine.console import file_only
from aemm.engine.run_facts import random_states, run_facts
from aemm.engine.runtime_info import RuntimeInfoHook
from aemm.formats.checkpoint import part_of, read_checkpoint, settle
from aemm.registry import HOOKS


@HOOKS.register_module()
class CheckpointHook(EngineCheckpointHook):
    """Save checkpoints as mmengine does, but never touch a file that a restart needs.

    A checkpoint is written beside its name, flushed to the disk and then renamed; only then ``last_checkpoint``
    names it, and older ones are deleted. It is written once: what a validation adds (the best score, a schedule that
    follows a metric) comes back by validating again after a resume.

    Args:
        interval: save every so many epochs or iterations; -1 = never.
        by_epoch: count epochs, otherwise iterations.
        save_optimizer: without it, training cannot be resumed.
        save_param_scheduler: without it, schedules start anew after a resume.
        out_dir: where to save instead of the work dir, in a folder of the work dir's name.
        max_keep_ckpts: how many to keep; -1 = all.
        save_last: save after the last epoch or iteration, whatever the interval.
        save_best: metrics whose best weights are kept in ``best_…`` files; ``'auto'`` = the first.
        rule: ``'greater'`` or ``'less'``, for all metrics or for each.
        greater_keys: parts of the names of metrics that are better when greater.
        less_keys: parts of the names of metrics that are better when less.
        filename_tmpl: name with one ``{}`` for the epoch or iteration.
        backend_args: of mmengine's file backend.
        published_keys: entries to write into a file named by its hash after training.
        save_begin: epoch or iteration of the first checkpoint.
        on_write_error: where a checkpoint cannot be written, as on a full disk: ``'continue'`` says so and trains on,
            ``'stop'`` ends the training. Where the last one is missing, training ends with an error.
        overwrite: a new run deletes the checkpoints that it finds in its work dir; otherwise it does not start there.
    """

    last_ckpt: str | None
    _files: CheckpointFiles  # known when training begins

    def __init__(
        self,
        interval: int = -1,
        by_epoch: bool = True,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        out_dir: str | Path | None = None,
        max_keep_ckpts: int = -1,
        save_last: bool = True,
        save_best: str | list[str] | None = None,
        rule: str | list[str] | None = None,
        greater_keys: Sequence[str] | None = None,
        less_keys: Sequence[str] | None = None,
        filename_tmpl: str | None = None,
        backend_args: dict[str, Any] | None = None,
        published_keys: str | list[str] | None = None,
        save_begin: int = 0,
        on_write_error: Literal["continue", "stop"] = "continue",
        overwrite: bool = False,
    ) -> None:
        if on_write_error not in ("continue", "stop"):
            raise ValueError(f"on_write_error must be 'continue' or 'stop', got {on_write_error!r}")
        if filename_tmpl is not None and filename_tmpl.count("{}") != 1:
            raise ValueError(f"filename_tmpl must have one {{}} for the epoch or iteration, got {filename_tmpl!r}")
        super().__init__(
            interval=interval,
            by_epoch=by_epoch,
            save_optimizer=save_optimizer,
            save_param_scheduler=save_param_scheduler,
            out_dir=out_dir,
            max_keep_ckpts=max_keep_ckpts,
            save_last=save_last,
            save_best=save_best,
            rule=rule,
            greater_keys=greater_keys,
            less_keys=less_keys,
            filename_tmpl=filename_tmpl,
            backend_args=backend_args,
            published_keys=published_keys,
            save_begin=save_begin,
        )
        self.on_write_error = on_write_error
        self.overwrite = overwrite
        self._saved_iter: int | None = None  # of the newest checkpoint
        self._missed: dict[str, str] = {}  # what could not be written, until a later one of its kind could
        self._random: list[dict[str, Any]] = []

    def before_train(self, runner: Runner) -> None:
        """Find the place to save, and leave there what this run can go on from alone."""
        self._files = CheckpointFiles.of(self, runner.work_dir)
        resumed = runner.iter > 0
        if is_main_process():
            self._files.remove_parts()
        self._saved_iter = runner.iter if resumed else None
        with file_only(MMLogger.get_current_instance(), logging.ERROR):  # mmengine warns of its own file client
            super().before_train(runner)
        for key in self.key_indicators if self.save_best else ():
            if noted := self._best_path(key):
                self._find_best(runner, key, os.path.basename(noted))

    def after_train(self, runner: Runner) -> None:
        """Publish, and end with an error if something is missing on the disk.

        Raises:
            OSError: the newest or a best checkpoint could not be written.
        """
        super().after_train(runner)
        if self._missed:
            raise OSError(f"training is done, but {'; '.join(self._missed.values())}")

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Note what a resume compares, and the random generators."""
        if "optimizer" in checkpoint:
            checkpoint["meta"].update(run=run_facts(runner), random=self._random)

    def save_stopped(self, runner: Runner, done: int, epoch_ended: bool) -> str | None:
        """Save where a signal stops the run, unless this very state is saved already; all processes must call it.

        Args:
            runner: in its training loop or in a validation.
            done: iterations so far.
            epoch_ended: the run stands in the validation behind an epoch.

        Returns:
            Path of the checkpoint to go on from; None where there is none.
        """
        if self._saved_iter != done:
            meta = dict(epoch=runner.epoch, iter=done, stopped=True)
            if not self.by_epoch:
                self._save_checkpoint_with_step(runner, done, meta)
            elif epoch_ended:
                self._save_checkpoint_with_step(runner, runner.epoch, meta)
            else:
                self._save(runner, self.filename_tmpl.format(f"{runner.epoch}_iter_{done}"), meta)
        return self.last_ckpt if self._saved_iter == done else None

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Save the checkpoint of an epoch or iteration; then, and only then, delete the older ones."""
        kept = [*(number for number in getattr(self, "keep_ckpt_ids", ()) if number != step), step]
        limit = self.max_keep_ckpts if self.max_keep_ckpts > 0 else len(kept)
        before = runner.message_hub.runtime_info.get("keep_ckpt_ids", [])
        if self.max_keep_ckpts > 0:
            # in the file with those about to go: where the run ends before that, the next one deletes them
            runner.message_hub.update_info("keep_ckpt_ids", kept)
        # where there is no room, the older ones of a limited number make it; the newest of them stays
        spare = [self.filename_tmpl.format(number) for number in kept[:-2]] if self.max_keep_ckpts > 0 else []
        saved = self._save(runner, self.filename_tmpl.format(step), meta, spare)
        if self.max_keep_ckpts > 0:
            runner.message_hub.update_info("keep_ckpt_ids", kept[-limit:] if saved else before)
            if saved:
                self.keep_ckpt_ids = deque(kept[-limit:], limit)
                self._remove_old(kept[:-limit])

    def _save(self, runner: Runner, name: str, meta: dict, spare: Sequence[str] = ()) -> bool:
        """Save a checkpoint that can be resumed from; whether it is on the disk."""
        before, self.last_ckpt = self.last_ckpt, self._files.path(name)
        runner.message_hub.update_info("last_ckpt", self.last_ckpt)
        self._random = random_states()
        for hook in runner.hooks:
            if isinstance(hook, RuntimeInfoHook):
                hook.fetch(runner)  # what waits for a line of the log would be lost
        if self._write(runner, name, meta, "last", spare):
            self._saved_iter = meta["iter"]
            return True
        self.last_ckpt = before
        runner.message_hub.update_info("last_ckpt", before)
        return False

    @master_only
    def _remove_old(self, steps: Sequence[int]) -> None:
        """Delete the checkpoints of these steps, and those of stops within epochs that have ended since."""
        newest = os.path.basename(str(self.last_ckpt))
        self._files.remove([*map(self.filename_tmpl.format, steps), *self._files.within_epochs_before(newest)])

    def _save_best_checkpoint(self, runner: Runner, metrics: Mapping[str, Any]) -> None:
        """Save the weights for every metric that has become better; then delete those they take the place of.

        Raises:
            ValueError: the validation gave no metric of that name.
        """
        if not self.save_best:
            return
        if "auto" in self.key_indicators:
            self._init_rule(self.rules, [next(iter(metrics))])
        for key, rule in zip(self.key_indicators, self.rules, strict=True):
            if key not in metrics:
                raise ValueError(
                    f"default_hooks.checkpoint.save_best: the validation gives no metric {key!r}; it gives "
                    f"{', '.join(metrics)}"
                )
            score = runner.message_hub.runtime_info.get(self._of("best_score", key), self.init_value_map[rule])
            if metrics[key] is not None and self.is_better_than[key](metrics[key], score):
                self._save_best(runner, key, metrics[key])

    def _save_best(self, runner: Runner, key: str, score: float) -> None:
        number, unit = (runner.epoch, "epoch") if self.by_epoch else (runner.iter, "iteration")
        name = f"best_{key}_{self.filename_tmpl.format(number)}".replace("/", "_")
        before, path = self._best_path(key), self._files.path(name)
        infos = {self._of("best_score", key): score, self._of("best_ckpt", key): path}
        old = {info: runner.message_hub.runtime_info.get(info) for info in infos}
        runner.message_hub.update_info_dict(infos)
        if not self._write(runner, name, dict(epoch=runner.epoch, iter=runner.iter), f"best {key}") and not (
            self._link_best(runner, path, f"best {key}")
        ):
            for info, value in old.items():
                if value is None:
                    runner.message_hub.pop_info(info)
                else:
                    runner.message_hub.update_info(info, value)
            return
        self._set_best_path(key, path)
        if before and before != path and is_main_process():
            self._files.remove([os.path.basename(before)])
        runner.logger.info(f"the best {key} so far, {score:0.4f} after {unit} {number}: {path}")

    def _link_best(self, runner: Runner, path: str, kind: str) -> bool:
        """Where there is no room for the weights alone, keep those of the checkpoint just saved; whether it is one."""
        linked = [False]
        if is_main_process() and self._saved_iter == runner.iter and isinstance(self._files.backend, LocalBackend):
            with suppress(OSError):
                Path(path).unlink(missing_ok=True)
                os.link(str(self.last_ckpt), path)
                linked = [True]
        broadcast_object_list(linked)
        if linked[0]:
            runner.logger.warning(f"{path} is the whole of {self.last_ckpt} instead, which takes no more room")
            self._missed.pop(kind, None)
        return linked[0]

    def _write(self, runner: Runner, name: str, meta: dict, kind: str, spare: Sequence[str] = ()) -> bool:
        """Write a file whole or not at all; whether it is there, which all processes learn.

        Args:
            runner: whose state to save.
            name: of the file.
            meta: epoch and iteration.
            kind: ``'last'``, or weights alone.
            spare: names of files to delete if there is no room otherwise.
        """
        target = Path(self._files.path(name))
        problem = [self._try(runner, target, meta, kind, spare)]
        broadcast_object_list(problem)
        if problem[0] is None:
            self._missed.pop(kind, None)
            return True
        self._missed[kind] = f"checkpoint {target} could not be written: {problem[0]}"
        said = f"{self._missed[kind]}; the last whole one is {self._files.newest()}"
        if self.on_write_error == "stop":
            raise OSError(said)
        runner.logger.error(
            f"{said}. Training goes on; default_hooks.checkpoint.on_write_error='stop' would end it here"
        )
        return False

    def _try(self, runner: Runner, target: Path, meta: dict, kind: str, spare: Sequence[str]) -> str | None:
        """Write a file; what went wrong, if anything did."""
        try:
            self._put(runner, target, meta, resumable=kind == "last")
        except OSError as error:
            part_of(target).unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT) and spare:
                runner.logger.warning(f"no room for {target}: {', '.join(spare)} are deleted for it")
                self._files.remove(spare)
                return self._try(runner, target, meta, kind, ())
            return f"{error.strerror or error}{_free(target)}"
        return None

    def _put(self, runner: Runner, target: Path, meta: dict, resumable: bool) -> None:
        """Let mmengine write beside the name, where files are local; then give the file its name."""
        local = isinstance(self._files.backend, LocalBackend)
        runner.save_checkpoint(
            self._files.folder,
            part_of(target).name if local else target.name,
            save_optimizer=resumable and self.save_optimizer,
            save_param_scheduler=resumable and self.save_param_scheduler,
            meta=meta,
            backend_args=self.backend_args,
        )
        if not is_main_process():
            return
        if local:
            settle(part_of(target), target)
        if resumable:
            try:
                name_last(runner.work_dir, self._files.path(target.name))
            except OSError as error:  # a resume finds the newest by its name
                runner.logger.warning(f"{LAST} could not be written: {error.strerror or error}")

    @master_only
    def _publish_model(self, runner: Runner, ckpt_path: str) -> None:
        """Write the published entries of a checkpoint into a file named by its hash."""
        checkpoint = read_checkpoint(ckpt_path)
        stem = Path(os.path.splitext(ckpt_path)[0])
        part = part_of(stem)
        torch.save({key: checkpoint[key] for key in self.published_keys or () if key in checkpoint}, part)
        target = stem.with_name(f"{stem.name}-{hashlib.sha256(part.read_bytes()).hexdigest()[:8]}.pth")
        settle(part, target)
        runner.logger.info(f"{ckpt_path} is published as {target}")

    def _find_best(self, runner: Runner, key: str, name: str) -> None:
        """Take up the best file of a resumed run: the one in its folder, whatever the path that was noted."""
        path = self._files.path(name)
        if self._files.backend.isfile(path):
            self._set_best_path(key, path)
            return
        # a later best took its place, or somebody took it away
        runner.logger.warning(f"{path}, the best {key} when the run stopped, is gone; the next validation is the best")
        self._set_best_path(key, None)
        for info in ("best_score", "best_ckpt"):
            runner.message_hub.pop_info(self._of(info, key))

    def _of(self, info: str, key: str) -> str:
        """The message hub's name of a metric's best."""
        return info if len(self.key_indicators) == 1 else f"{info}_{key}"

    def _best_path(self, key: str) -> str | None:
        return self.best_ckpt_path if len(self.key_indicators) == 1 else self.best_ckpt_path_dict.get(key)

    def _set_best_path(self, key: str, path: str | None) -> None:
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = path
        else:
            self.best_ckpt_path_dict[key] = path


def _free(target: Path) -> str:
    """How much room there is, as the end of a message."""
    try:
        return f" ({shutil.disk_usage(target.parent).free / 2**20:.1f} MiB are free there)"
    except OSError:
        return ""
