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
    lowest = cost.min(1)
    held: dict[int, int] = {}  # column -> row that has it
    served: set[int] = set()
    for row, column in zip(*(side.tolist() for side in np.nonzero(cost == lowest[:, None])), strict=True):
        if row not in served and column not in held:
            held[column] = row
            served.add(row)
    fitting = _Fitting(cost, lowest, [held.get(column, -1) for column in range(columns)])
    for row in range(rows):
        if row not in served:
            fitting.add(row)
    owner = np.array(fitting.owner)
    taken = np.flatnonzero(owner >= 0)
    result = np.empty(rows, np.int64)
    result[owner[taken]] = taken
    return result


class _Fitting:
    """Rows fitted in by exchanges, in lists of numbers, which are faster than arrays of a few dozen.

    Args:
        cost: ``(R, S)``.
        row_price: ``(R,)`` cheapest cost of each row.
        owner: of each column the row that has it, -1 = none.
    """

    def __init__(self, cost: np.ndarray, row_price: np.ndarray, owner: list[int]) -> None:
        self.cost: list[list[float]] = cost.tolist()
        self.row_price: list[float] = row_price.tolist()
        self.column_price = [0.0] * len(owner)
        self.owner = owner

    def add(self, row: int) -> None:
        """Give ``row`` a column by the cheapest chain of exchanges."""
        gap = [np.inf] * len(self.owner)  # what reaching each column still costs
        before = [-1] * len(self.owner)  # column from which it is reached, -1 = from ``row``
        ahead, reached = list(range(len(self.owner))), list[int]()  # columns
        chain = [row]  # rows whose columns have been reached
        last = -1
        while last < 0 or self.owner[last] >= 0:
            if last >= 0:
                chain.append(self.owner[last])
            last = self._nearest(chain[-1], last, ahead, gap, before)
            step = gap[last]
            for each in chain:
                self.row_price[each] += step
            for column in reached:
                self.column_price[column] -= step
            for column in ahead:
                gap[column] -= step
            ahead.remove(last)
            reached.append(last)
        while last >= 0:  # everybody on the way hands its column on
            previous = before[last]
            self.owner[last] = self.owner[previous] if previous >= 0 else row
            last = previous

    def _nearest(self, at: int, last: int, ahead: list[int], gap: list[float], before: list[int]) -> int:
        """The column ahead that is cheapest to reach, the first of equals, once ways by row ``at`` are known."""
        cost, price, prices = self.cost[at], self.row_price[at], self.column_price
        nearest, least = ahead[0], np.inf
        for column in ahead:
            reach = cost[column] - price - prices[column]
            known = gap[column]
            if reach < known:
                gap[column] = known = reach
                before[column] = last
            if known < least:
                nearest, least = column, known
        return nearest
