"""What a check of data sets found, in words and as a page of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from aemm.apis.data_check import Example, SetReport
from aemm.formats.listed import Tally
from aemm.structures import Sample
from aemm.visualization import draw_truth, line_width
from aemm.visualization.page import Section

_SIDE = 480  # pixels of a picture's longer side on the page
_MARGIN = 1.0  # that is shown around an image, at most, in shares of its sides
_SMALL, _LARGE = 32**2, 96**2  # square pixels, between which COCO's evaluation calls an instance medium
_BOX = (255, 80, 0)


def describe_tally(tally: Tally) -> list[tuple[str, str]]:
    """Figures of a data set, each with its name."""
    rows = [("images", f"{tally.images}, {tally.annotated} with something to learn from")]
    rows += [(f"instances of {name!r}", str(count)) for name, count in tally.instances.items()]
    without = (("crowds", tally.crowds), ("without keypoints", tally.unlabelled), ("of other categories", tally.others))
    rows += [(f"annotations {what}" if what != "crowds" else what, str(count)) for what, count in without if count]
    if tally.visibility is not None and len(tally.visibility):
        absent, hidden, seen = tally.visibility.sum(0).tolist()
        rows.append(("keypoints", f"{seen} visible (2), {hidden} hidden (1), {absent} not annotated (0)"))
    if len(tally.areas):
        sides = np.sqrt(tally.areas)
        least, middle, most = np.percentile(sides, [0, 50, 100]).round().astype(int).tolist()
        small, large = int((tally.areas < _SMALL).sum()), int((tally.areas >= _LARGE).sum())
        medium = len(sides) - small - large
        rows.append(("sizes, square root of the area", f"{least} to {most} px, half of them below {middle} px"))
        rows.append(("sizes, as COCO counts them", f"{small} small (< 32²), {medium} medium, {large} large (≥ 96²)"))
    return rows


def describe_keypoints(report: SetReport) -> list[tuple[str, str]]:
    """How often each keypoint is visible, hidden, and not annotated."""
    if report.tally is None or report.tally.visibility is None:
        return []
    names = report.keypoints or tuple(map(str, range(len(report.tally.visibility))))
    counts = report.tally.visibility.tolist()
    return [
        (name, f"{seen} visible, {hidden} hidden, {absent} not annotated")
        for name, (absent, hidden, seen) in zip(names, counts, strict=True)
    ]


def sections_of(reports: Sequence[SetReport]) -> Iterator[Section]:
    """The page: for each data set figures, faults, and warnings with drawn examples."""
    yield Section("Data sets as aemm reads them", level=1)
    for report in reports:
        rows = [("reads", report.source)]
        if report.samples is not None:
            rows.append(("samples", f"{report.samples}, {report.images_read} of them opened"))
        rows += describe_tally(report.tally) if report.tally else []
        yield Section(report.place, rows=rows)
        if keypoints := describe_keypoints(report):
            yield Section("Keypoints", level=3, rows=keypoints)
        if report.faults:
            yield Section(f"{len(report.faults)} faults", level=3, lines=report.faults)
        for warned in report.warned:
            pictures = [(draw_example(example), example.caption) for example in warned.examples]
            yield Section(f"Warning: {warned.text}", level=3, pictures=pictures)
        if report.examples:
            pictures = [(draw_example(example), example.caption) for example in report.examples]
            yield Section("Some samples as they are understood", level=3, pictures=pictures)


def draw_example(example: Example) -> np.ndarray:
    """An image with what is known of it, and around it where keypoints lie outside."""
    sample = _with_margin(example.sample)
    scale = _SIDE / max(sample.image.shape[:2])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    height, width = (max(1, round(side * scale)) for side in sample.image.shape[:2])

    def fitted(pixels: np.ndarray) -> np.ndarray:
        return cv2.resize(pixels, (width, height), interpolation=interpolation)

    masks = None if sample.masks is None else np.array([fitted(m.astype(np.uint8)) > 0 for m in sample.masks], bool)
    drawn = Sample(
        fitted(sample.image),
        sample.image_id,
        (height, width),
        keypoints=None if sample.keypoints is None else sample.keypoints * np.float32(scale),
        visible=sample.visible,
        masks=None if masks is None else masks.reshape(-1, height, width),
        ignore=None if sample.ignore is None else fitted(sample.ignore.astype(np.uint8)) > 0,
        skeleton=sample.skeleton,
    )
    picture = draw_truth(drawn)
    if example.box is not None:
        left, top = sample.warp[:2, 2]
        corners = ((example.box + np.array([left, top, left, top])) * scale).clip(-_SIDE, 2 * _SIDE).round().astype(int)
        cv2.rectangle(picture, corners[:2].tolist(), corners[2:].tolist(), _BOX, line_width((height, width)))
    return picture


def _with_margin(sample: Sample) -> Sample:
    """A sample whose image is wide enough for keypoints outside of it, as far as that is sensible."""
    if sample.keypoints is None or sample.visible is None or not (sample.visible > 0).any():
        return sample
    size = np.array(sample.image.shape[1::-1])
    points = sample.keypoints[sample.visible > 0]
    most = np.ceil(_MARGIN * size)
    before = np.minimum(np.maximum(0, np.ceil(-points.min(0))), most).astype(int)
    after = np.minimum(np.maximum(0, np.ceil(points.max(0) - size)), most).astype(int)
    if not (before.any() or after.any()):
        return sample
    left, top = before.tolist()
    right, bottom = after.tolist()

    def wider(pixels: np.ndarray, fill: int) -> np.ndarray:
        return cv2.copyMakeBorder(pixels, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(fill, fill, fill))

    warp = np.array([[1.0, 0, left], [0, 1, top], [0, 0, 1]])
    ignore = None if sample.ignore is None else wider(sample.ignore.astype(np.uint8), 0) > 0
    masks = None if sample.masks is None else np.array([wider(m.astype(np.uint8), 0) > 0 for m in sample.masks])
    return Sample(
        wider(sample.image, 128),
        sample.image_id,
        sample.image_size,
        keypoints=sample.keypoints + before.astype(np.float32),
        visible=sample.visible,
        masks=masks,
        ignore=ignore,
        warp=warp,
        skeleton=sample.skeleton,
    )
