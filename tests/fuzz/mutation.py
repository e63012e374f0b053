"""Values that do not belong where they are put, and data with some of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

ODD: list[Any] = [
    *(None, True, False, 0, 1, 2, -1, 3, 7, 10**9, 10**400, 0.5, 1.0, -0.0, 1e-320, 1e308),
    *(float("nan"), float("inf"), "", "0", "1", "person", "nose", "a\0b", "../1.png", "1.png", "\ud800", "x" * 500),
    *([], [[]], [None], [0, 0], [1.5] * 6, [5, 5, 20, 30], ["a", "b"], [[1, 1, 9, 1, 9, 9]], [[0, 0, 1e6, 1e6]]),
    *({}, {"a": 1}, {"size": [40, 50], "counts": [2000]}, {"size": [40, 50], "counts": "0"}, {"counts": []}),
]
Draw = Callable[[st.SearchStrategy[Any]], Any]


def mutate(data: Any, draw: Draw) -> Any:
    """The data with one to three places replaced, left out, doubled or exchanged."""
    data = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 3))):
        node = data
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(node[key], dict | list) and node[key] and draw(st.integers(0, 3)):
                node = node[key]
                continue
            _change(node, key, draw)
            break
    return data


def _change(node: Any, key: Any, draw: Draw) -> None:
    how = draw(st.sampled_from(["replace", "replace", "replace", "delete", "double", "text"]))
    if how == "replace":
        node[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
    elif how == "delete":
        del node[key]
    elif how == "double" and isinstance(node, list):
        node.insert(draw(st.integers(0, len(node))), copy.deepcopy(node[key]))
    else:
        node[key] = str(node[key]) if draw(st.booleans()) else [node[key]]
