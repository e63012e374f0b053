"""The assignment problem, with a say in which of several equally cheap solutions comes out."""

from __future__ import annotations

import numpy as np


def solve(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the cheapest assignment, as SciPy's solver decides."""
    from scipy.optimize import linear_sum_assignment  # here, since it takes longer to import than all else of a runtime

    return linear_sum_assignment(cost)


def assign(cost: np.ndarray) -> np.ndarray:
    """The cheapest column for every row, each column taken once.

    First every row takes its cheapest column if that is free, the first of equals; the rows left over
    are then fitted in one by one along the cheapest chain of exchanges. Where solutions cost the same,
    this decides as the package ``munkres`` 3.0.0 does with its solver in Python. The originals rely on
    that package, but on no version of it: the compiled solver of 3.0.0, ``munkres`` 1.1.4 and SciPy all
    decide otherwise in some ties.

    Args:
        cost: ``(R, S)`` finite numbers, R <= S.

    Returns:
        ``(R,) int64`` columns.

    Reference: Crouse, On implementing 2D rectangular assignment algorithms (2016).

    >>> assign(np.array([[4.0, 1, 3], [2, 0, 5], [3, 2, 2]]))
    array([1, 0, 2])
    """
    cost = np.asarray(cost, float)
    rows, columns = cost.shape
    first = cost.argmin(1) if cost.size else np.zeros(rows, np.int64)
    if len(set(first.tolist())) == rows:  # nobody is in anybody's way
        return first
    row_price, column_price = cost.min(1), np.zeros(columns)
    held: dict[int, int] = {}  # column -> row that has it
    served: set[int] = set()
    for row, column in zip(*(side.tolist() for side in np.nonzero(cost == row_price[:, None])), strict=True):
        if row not in served and column not in held:
            held[column] = row
            served.add(row)
    owner = np.full(columns, -1)  # row that has each column
    owner[list(held)] = list(held.values())
    for row in range(rows):
        if row not in served:
            _fit_in(row, cost, row_price, column_price, owner)
    taken = np.flatnonzero(owner >= 0)
    result = np.empty(rows, np.int64)
    result[owner[taken]] = taken
    return result


def _fit_in(row: int, cost: np.ndarray, row_price: np.ndarray, column_price: np.ndarray, owner: np.ndarray) -> None:
    """Give ``row`` a column by the cheapest chain of exchanges; changes prices and owners in place."""
    columns = len(owner)
    gap = np.full(columns, np.inf)  # what reaching each column still costs
    before = np.full(columns, -1)  # column from which it is reached, -1 = from ``row``
    open_columns = np.ones(columns, bool)
    chain = [row]  # rows whose columns have been reached
    at, last = row, -1
    while True:
        reach = cost[at] - row_price[at] - column_price
        better = open_columns & (reach < gap)
        gap[better], before[better] = reach[better], last
        last = int(np.where(open_columns, gap, np.inf).argmin())
        step = gap[last]
        row_price[chain] += step
        column_price[~open_columns] -= step
        gap[open_columns] -= step
        open_columns[last] = False
        if owner[last] < 0:
            break
        at = int(owner[last])
        chain.append(at)
    while last >= 0:  # everybody on the way hands its column on
        previous = int(before[last])
        owner[last] = owner[previous] if previous >= 0 else row
        last = previous
