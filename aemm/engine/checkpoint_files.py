"""Which checkpoints of a training run there are, told by their names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.fileio import get_file_backend
from mmengine.hooks import CheckpointHook as EngineCheckpointHook

from aemm.formats.checkpoint import part_of, settle

LAST = "last_checkpoint"


@dataclass(frozen=True)
class CheckpointFiles:
    """The checkpoints in a folder.

    ``epoch_3.pth`` is of the end of an epoch; ``epoch_3_iter_70.pth`` of 70 iterations, within the epoch behind it,
    where a signal stopped the run; ``best_…`` hold weights alone.

    Attributes:
        folder: where they are saved.
        template: of their names, with one ``{}``.
        backend: mmengine's, of the folder.
    """

    folder: str
    template: str
    backend: Any

    @classmethod
    def of(cls, hook: EngineCheckpointHook, work_dir: str) -> CheckpointFiles:
        """Those of a hook that has not been used yet."""
        folder = hook.out_dir or work_dir
        backend = get_file_backend(folder, backend_args=hook.backend_args)
        if str(folder) != work_dir:
            folder = backend.join_path(folder, os.path.basename(work_dir.rstrip(os.sep)))
        return cls(str(folder), hook.filename_tmpl, backend)

    def path(self, name: str) -> str:
        """Where the checkpoint of that name is or would be."""
        return str(self.backend.join_path(self.folder, name))

    def names(self) -> list[str]:
        """Those that a run could go on from, the newest first."""
        return sorted(filter(self._place, self._listed()), key=self._place, reverse=True)

    def newest(self) -> str:
        """Path of the newest of them, for a message."""
        return self.path(self.names()[0]) if self.names() else "none"

    def newer_than(self, name: str) -> list[str]:
        """Those that are newer than the checkpoint of that name."""
        return [one for one in self.names() if self._place(one) > self._place(name) > ()]

    def within_epochs_before(self, name: str) -> list[str]:
        """Those of stops within epochs that are older than the checkpoint of that name."""
        return [one for one in self.names() if self._place(one) < self._place(name) and self._place(one)[1] > 0]

    def best(self) -> list[str]:
        """Those that hold the weights of the best epochs."""
        ending = os.path.splitext(self.template)[1]
        return sorted(name for name in self._listed() if name.startswith("best_") and name.endswith(ending))

    def remove(self, names: Iterable[str]) -> None:
        """Delete these, where they are there."""
        for name in names:
            if self.backend.isfile(self.path(name)):
                self.backend.remove(self.path(name))

    def remove_parts(self) -> None:
        """Delete what a run that was killed had begun to write; only local files are written beside their names."""
        for part in Path(self.folder).glob(".*.part"):
            part.unlink()

    def _place(self, name: str) -> tuple[int, ...]:
        """Step and iteration of a checkpoint, which order by age; empty for a file of another kind."""
        before, after = map(re.escape, self.template.split("{}"))
        found = re.fullmatch(f"{before}(\\d+)(?:_iter_(\\d+))?{after}", name)
        return (int(found[1]), int(found[2] or 0)) if found else ()

    def _listed(self) -> list[str]:
        there = self.backend.isdir(self.folder)
        return list(self.backend.list_dir_or_file(self.folder, list_dir=False)) if there else []


def name_last(work_dir: str, path: str) -> None:
    """Write down which checkpoint is the newest, for a resume and for mmengine."""
    target = Path(work_dir) / LAST
    part = part_of(target)
    part.write_text(path, encoding="utf-8", errors="surrogateescape")
    settle(part, target)


def named_last(work_dir: str) -> str | None:
    """The name of the newest checkpoint as it was written down, without the folder, which may have been moved."""
    noted = Path(work_dir) / LAST
    if not noted.is_file():
        return None
    return os.path.basename(noted.read_text(encoding="utf-8", errors="surrogateescape").strip()) or None
