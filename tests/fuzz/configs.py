"""Configs, as dicts and as whole files, broken at random."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import strategies as st

from aemm.engine import load_config
from aemm.engine.config_check import config_faults
from tests.end_to_end import ROOT, SMALL
from tests.fuzz.mutation import Draw, mutate

CONFIG = {
    "model": {"type": "Embedder", "backbone": {"type": "HourglassAE", "stacks": 1}, "head": {"type": "AEHead"}},
    "train_dataloader": {"batch_size": 2, "dataset": {"type": "SyntheticPoseDataset", "length": 2, "pipeline": []}},
    "val_evaluator": [{"type": "CocoMetric"}],
    "custom_hooks": [{"type": "DumpHook", "path": "a.json"}],
    "train_cfg": {"max_epochs": 1},
}


def load_config_dict(folder: Path, draw: Draw) -> None:
    """The dict of a config; its faults come as a list."""
    for fault in config_faults(mutate(CONFIG, draw)):
        assert isinstance(fault, str)


_LINES = SMALL.format(root=ROOT).splitlines()
_VALUES = [
    *("None", "-1", "0", "1.5", "'text'", "[]", "{}", "dict(type='AEHead')", "[1, 'a']", "True", "10**400"),
    *("float('nan')", "lambda: 1", "object()"),
]
_SIGNS = "x0.,=()[]'\"# \\"


def load_config_file(folder: Path, draw: Draw) -> None:
    """A whole config file, whose lines, values, keys or letters are changed."""
    lines = list(_LINES)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        lines[at : at + 1] = _changed(lines[at], draw)
    (folder / "drawn.py").write_text("\n".join(lines))
    assert load_config(str(folder / "drawn.py")).to_dict() is not None


def _changed(line: str, draw: Draw) -> list[str]:
    """What stands in place of a line."""
    how = draw(st.sampled_from(["delete", "double", "letter", "letter", "value", "value", "key"]))
    if how in ("delete", "double"):
        return [line] * (2 if how == "double" else 0) or [""]
    if how == "letter" and line:
        at = draw(st.integers(0, len(line) - 1))
        return [line[:at] + draw(st.sampled_from(_SIGNS)) + line[at + 1 :]]
    if how == "value":
        value = draw(st.sampled_from(_VALUES))
        return [re.sub(r"=[^=,()]+(?=[,)])", lambda _: f"={value}", line, count=1)]
    return [re.sub(r"\b\w+=", "other=", line, count=1)]
