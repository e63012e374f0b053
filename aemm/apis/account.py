"""An account of inputs: what was met, what was read, and what was left out and why."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

from aemm.formats.listing import list_rows, printable


@dataclass(frozen=True)
class LeftOut:
    """An input of which nothing, or not everything, was read.

    Attributes:
        name: path, address, or number of a camera.
        reason: in words.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return self.reason if self.name in self.reason else f"{self.name}: {self.reason}"


@dataclass
class Account:
    """What became of every input: ``found`` is ``read`` and all that ``left_out`` and ``other`` list.

    Attributes:
        strict: the first input that cannot be read raises its error, in place of being listed.
        found: arrays, files, addresses and cameras met so far; 0 where nobody counts them.
        read: those that gave an image at least.
        images: images and frames handed on.
        instances: found in them.
        left_out: what gave none, though it was asked for, or is an image or video.
        partial: videos and the like of which some frames are missing.
        other: files in folders that are neither image nor video.
        hidden: number of hidden files, and of those that systems put into folders.
        repeated: number of files met again after they had been taken.
    """

    strict: bool = False
    found: int = 0
    read: int = 0
    images: int = 0
    instances: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    partial: list[LeftOut] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    hidden: int = 0
    repeated: int = 0

    @property
    def complete(self) -> bool:
        """Whether every input was read to its end."""
        return not self.left_out and not self.partial

    def leave_out(self, name: str, error: Exception) -> None:
        """List an input that cannot be read; if the account is strict, raise its error."""
        if self.strict:
            raise error
        self.left_out.append(LeftOut(name, str(error)))

    def miss_frames(self, name: str, loss: str) -> None:
        """List an input that was not read whole; if the account is strict, warn at once."""
        if self.strict:
            warnings.warn(f"{name}: {loss}", stacklevel=2)
        self.partial.append(LeftOut(name, loss))

    def describe(self) -> str:
        """Lines that say what was read and what was not, each list cut after its first rows."""
        inputs = f", from {self.read} of {self.found} inputs" if self.found else ""
        lines = [f"{self.instances} instances in {self.images} images{inputs}"]
        lines += _listed("left out", [str(row) for row in self.left_out])
        lines += _listed("not read whole", [str(row) for row in self.partial])
        lines += _listed("neither image nor video", self.other)
        if self.hidden or self.repeated:
            lines.append(f"passed over: {self.hidden} hidden files, {self.repeated} that had been taken before")
        return "\n".join(lines)


def _listed(title: str, rows: list[str]) -> list[str]:
    return [f"{len(rows)} {title}:", *list_rows(list(map(printable, rows)))] if rows else []
