"""MATLAB files: their variables, and what real ones hold in between."""

from __future__ import annotations

import math
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from aemm.formats.matlab_check import check_matlab


def load_mat(path: str | Path, squeeze: bool = True) -> dict[str, Any]:
    """The variables of a ``.mat`` file; structs become objects.

    Args:
        path: of the file.
        squeeze: single elements lose their array, which cells of cells do not survive.

    Raises:
        ValueError: the file is missing or not a MATLAB file.
    """
    from scipy.io import loadmat  # here, since it takes long to import, and few data sets are such files

    try:
        data = Path(path).read_bytes()
        check_matlab(data)
        content = loadmat(BytesIO(data), struct_as_record=False, squeeze_me=squeeze)
    except MemoryError:
        raise
    except Exception as error:  # scipy raises whatever it stumbles over
        told = str(error) or type(error).__name__
        raise ValueError(f"{path} cannot be read as a MATLAB file (up to version 7.2): {told}") from error
    return {name: value for name, value in content.items() if not name.startswith("__")}


def entries(value: Any) -> list[Any]:
    """The elements of a struct or cell array, which a file may also hold empty, alone or not at all."""
    if value is None:
        return []
    return list(value.ravel()) if isinstance(value, np.ndarray) else [value]


def number(value: Any) -> float | None:
    """A number that a file may hold as number, text, array of one, or empty; NaN and infinity count as empty.

    Raises:
        ValueError: it is something else.

    >>> number("1"), number(np.array([])), number(3)
    (1.0, None, 3.0)
    """
    if isinstance(value, int | float):  # as most are; by way of an array it takes several times as long
        return float(value) if math.isfinite(value) else None
    found = np.asarray(value).ravel()
    if not found.size or found[0] is None or found[0] == "":
        return None
    try:
        value = float(found[0])
    except (TypeError, ValueError):
        raise ValueError(f"expected a number, got {found[0]!r:.80}") from None
    return value if math.isfinite(value) else None
