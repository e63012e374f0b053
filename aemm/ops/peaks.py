"""The strongest local maxima of heatmaps on the CPU, on plain arrays and without torch.

Letters: B batch, C heatmap channels, T tag channels, L tag dimensions, M peaks per channel, ``h, w`` map cells.
"""

from __future__ import annotations

import cv2
import numpy as np


def check_window(window: int) -> None:
    """Raise unless a window has a middle.

    Raises:
        ValueError: it has none.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be an odd number of cells so that it has a middle, got {window}")


def rank_survivors(
    heatmaps: np.ndarray, max_peaks: int, threshold: float, window: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and flat cells ``(B, C, M)`` of the peaks, by a dilation per channel in cache and a sort of few cells.

    Args:
        heatmaps: ``(B, C, h, w)``.
        max_peaks: M; rows are padded with 0.
        threshold: a peak scores more than this.
        window: side of the window of the non-maximum suppression in cells, odd.
    """
    batch, channels, height, width = heatmaps.shape
    planes = heatmaps.reshape(-1, height, width)
    kernel = np.ones((window, window), np.uint8)
    keep = np.empty(planes.shape, bool)
    highest = np.empty((height, width), planes.dtype)
    for plane, kept in zip(planes, keep, strict=True):
        cv2.dilate(plane, kernel, highest)  # OpenCV's border never wins
        np.equal(plane, highest, out=kept)
        kept &= plane > threshold
    found = np.flatnonzero(keep)
    values = planes.reshape(-1)[found]
    row, cells = np.divmod(found, height * width)
    order = np.lexsort((-values, row))  # stable: equal scores stay in the order of the map
    starts = np.searchsorted(row, np.arange(len(planes)))
    place = np.arange(len(order)) - starts[row]
    order, place = order[place < max_peaks], place[place < max_peaks]

    scores = np.zeros((len(planes), max_peaks), planes.dtype)
    index = np.zeros((len(planes), max_peaks), np.int64)
    scores[row[order], place], index[row[order], place] = values[order], cells[order]
    shape = (batch, channels, max_peaks)
    return scores.reshape(shape), index.reshape(shape)


def read_peaks(
    heatmaps: np.ndarray, tags: np.ndarray, max_peaks: int, threshold: float, window: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores ``(C, M)``, cells ``(C, M, 2)`` and tags ``(C, M, L)`` of the peaks of one image, best first.

    Args:
        heatmaps: ``(C, h, w)``.
        tags: ``(T, L, h, w)``, T = C or 1.
        max_peaks: M.
        threshold: a peak scores more than this.
        window: side of the window of the non-maximum suppression in cells, odd.
    """
    ranked = rank_survivors(heatmaps[None], max_peaks, threshold, window)
    scores, index = ranked[0][0], ranked[1][0]
    planes = np.broadcast_to(tags.reshape(*tags.shape[:2], -1), (len(heatmaps), tags.shape[1], heatmaps[0].size))
    read = np.take_along_axis(planes, index[:, None], axis=2).swapaxes(1, 2)
    width = heatmaps.shape[2]
    return scores, np.stack([index % width, index // width], -1), np.where(scores[..., None] > 0, read, 0)
