"""Checkpoints of other projects brought to aemm's entry names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from aemm.engine.checkpoint import CheckpointError, model_faults

Rename = Callable[[str], str | None]


def renamer(rules: Sequence[tuple[str, str]], drop: Sequence[str] = ()) -> Rename:
    """A function from the name of a foreign entry to aemm's, None for one that is to be left out.

    Args:
        rules: pairs of a regular expression and its replacement, all applied in order.
        drop: regular expressions of the entries without use here.
    """

    def rename(name: str) -> str | None:
        if any(re.search(pattern, name) for pattern in drop):
            return None
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        return name

    return rename


def convert_state(state: Mapping[str, Tensor], rename: Rename, model: nn.Module) -> dict[str, Tensor]:
    """The entries of ``state`` under aemm's names, checked against the model that is to load them.

    Args:
        state: entries of a foreign checkpoint.
        rename: from :func:`renamer`.
        model: the model as built from its config.

    Raises:
        CheckpointError: an entry has no place in the model, has another shape, or is missing.
    """
    placed: dict[str, Tensor] = {}
    for name, value in state.items():
        new = rename(name)
        if new is None:
            continue
        if new in placed:
            raise CheckpointError(f"two entries of the checkpoint become {new}; {name} is the second")
        placed[new] = value
    if faults := model_faults(model, placed):
        listed = "".join(f"\n  - {fault}" for fault in faults[:20])
        raise CheckpointError(f"the checkpoint does not fit the model ({len(faults)} faults):{listed}")
    return placed


_HOURGLASS = [
    (r"^(?:model\.)?(?:module\.)?", ""),
    (r"^pre\.(\d)\.", r"stem.\1."),
    (r"(?<=\.)up1\.", "skip."),
    (r"(?<=\.)low1\.", "down."),
    (r"(?<=\.)low2\.", "inner."),
    (r"(?<=\.)low3\.", "up."),
    (r"^(merge_\w+\.\d+)\.conv\.conv\.", r"\1.conv."),
    (r"^", "backbone."),
]
rename_newell = renamer(_HOURGLASS)
"""Entries of the authors' PoseNet (princeton-vl/pose-ae-train) under aemm's names."""
