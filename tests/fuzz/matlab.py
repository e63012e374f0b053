"""MPII's MATLAB files, broken at random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from scipy.io import savemat

from aemm.formats.mpii_mat import read_submission, read_truths, write_submission
from aemm.skeletons import SKELETONS
from tests.fuzz.mutation import Draw

_NOTHING = np.zeros((0, 0))
_VALUES: list[Any] = [
    *(1.0, 0.0, -3.0, 7, 1e308, float("nan"), "12", "x", "", 1j, True),
    *([[1.0, 2.0]], {"x": 1.0}, _NOTHING, np.array([[1, "a"]], object)),
]


def _struct(rows: list[dict[str, Any]], draw: Draw) -> np.ndarray:
    """A MATLAB struct array, now and then with a value or field that does not belong there."""
    if rows and not draw(st.integers(0, 9)):
        row = draw(st.sampled_from(rows))
        row[draw(st.sampled_from([*row, "other"]))] = draw(st.sampled_from(_VALUES))
    names = list(dict.fromkeys(name for row in rows for name in row if draw(st.integers(0, 30)))) or ["other"]
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in names])
    for i, row in enumerate(rows):
        for name in names:
            array[name][0, i] = row.get(name, _NOTHING)
    return array


def _annorects(draw: Draw) -> np.ndarray:
    """Up to two people of a group."""
    people = []
    for _ in range(draw(st.integers(0, 2))):
        points = [{"x": 3.0 + k, "y": 4.0, "id": k, "is_visible": "1", "score": 0.5} for k in range(3)]
        person: dict[str, Any] = {"annopoints": _struct([{"point": _struct(points, draw)}], draw)}
        person |= {"x1": 1.0, "y1": 2.0, "x2": 5.0, "y2": 6.0, "scale": 1.5}
        people.append(person | {"objpos": _struct([{"x": 9.0, "y": 9.0}], draw)})
    return _struct(people, draw)


def load_matlab(folder: Path, draw: Draw) -> None:
    """Annotations and submissions, whose values or bytes are changed; what is read of a submission is so again."""
    groups = _struct([{"annorect": _annorects(draw)} for _ in range(draw(st.integers(1, 2)))], draw)
    path = folder / "groups.mat"
    savemat(path, {draw(st.sampled_from(["pred", "other"])): groups}, do_compression=draw(st.booleans()))
    if not draw(st.integers(0, 2)):
        content = bytearray(path.read_bytes())
        for _ in range(draw(st.integers(1, 4))):
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
        path.write_bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)
    truths, found = read_truths(path), read_submission(path)
    assert len(truths) == len(found)
    write_submission(folder / "again.mat", found, SKELETONS["mpii"])
    for one, other in zip(found, read_submission(folder / "again.mat"), strict=True):
        some = (one.keypoint_scores > 0).any(1)  # people without a point are not written
        np.testing.assert_allclose(one.keypoint_scores[some], other.keypoint_scores)
