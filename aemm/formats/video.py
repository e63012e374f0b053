"""Videos, animations and files of several pages: their frames one by one, and an account of those that are missing."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import NamedTuple

import cv2
import numpy as np

from aemm.formats.containers import lost_avi_frames, mp4_duration, why_cut_off
from aemm.formats.decoders import check_pixels, decoding, open_pillow, pillow_pixels
from aemm.formats.kinds import HEAD, PLAYLIST, Kind, kind_of, kind_of_file
from aemm.formats.paths import NoPictureError, read_bytes
from aemm.formats.tiff import TiffFile, TiffPage
from aemm.formats.web import fetch, is_web
from aemm.ops.orientation import turn
from aemm.ops.pixels import Range, to_rgb

_GUESSED_RATE = 25.0  # frames a second, where a source does not tell
_DELAY = 100.0  # ms that viewers show a frame whose delay is 0
_EXACT = ("AVI", "MP4")  # containers that say how many frames they hold; of others it is estimated
_TRIES = 1000  # frames in a row that cannot be decoded, before the rest is given up
_LIVE_TRIES = 5
_MAX_GAP = 100_000  # frames; a longer gap is a damaged time or number
_TIMEOUT = 10_000  # ms to wait for an address
_ENOUGH = 3  # regular frames that make gaps in time mean something


class Frame(NamedTuple):
    """One picture of several.

    Attributes:
        number: in the file, from 0; frames that cannot be decoded keep theirs.
        image: ``(H, W, 3) uint8`` RGB.
    """

    number: int
    image: np.ndarray


@dataclass
class Frames(ABC):
    """The frames of one source; iterating reads them, and fills in what became of them.

    Attributes:
        name: path, address, or number of a camera.
        moving: it is a video or an animation, and no set of pages.
        rate: frames a second.
        expected: number of frames; None if the source does not tell.
        read: number of frames decoded so far.
        number: of the last one.
        missing: numbers of the frames passed over, since they could not be decoded.
        fault: why the last frames are missing.
    """

    name: str
    moving: bool = True
    rate: float = _GUESSED_RATE
    expected: int | None = None
    read: int = 0
    number: int = -1
    missing: list[int] = field(default_factory=list)
    fault: str = ""

    def __iter__(self) -> Iterator[Frame]:
        """Read the frames one by one.

        Raises:
            NoPictureError: none can be decoded.
        """
        for frame in self._decode():
            self.read, self.number = self.read + 1, frame.number
            yield frame
        if not self.read:
            raise NoPictureError(
                f"{self.name} holds no frame that can be decoded{f'; {self.fault}' if self.fault else ''}; convert it "
                "to mp4 or to a folder of images"
            )

    @abstractmethod
    def _decode(self) -> Iterator[Frame]:
        """The frames that can be decoded."""

    def describe_loss(self) -> str:
        """What was not read, in one sentence; empty if nothing is missing. Known once all has been read."""
        if not self.missing and not self.fault:
            return ""
        of = "" if self.expected is None else f" of {max(self.expected, self.read + len(self.missing))}"
        parts = [f"{self.read}{of} frames were read"]
        if self.missing:
            parts.append(f"not decoded: {_ranges(self.missing)}")
        return "; ".join([*parts, *([self.fault] if self.fault else [])])


def _ranges(numbers: list[int], shown: int = 8) -> str:
    """Numbers in order, runs of them joined.

    >>> _ranges([1, 4, 5, 6])
    '1, 4-6'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
    return ", ".join(words[:shown]) + (f" and {len(words) - shown} more places" if len(words) > shown else "")


def open_frames(source: str | int) -> Frames:
    """The frames of a video, an animation, a file of several pages, an address, or a camera.

    Args:
        source: path; address with ``://`` as OpenCV takes it; number of a camera.

    Raises:
        UnreadableImageError: it cannot be opened, is too large, or is neither.
    """
    if isinstance(source, int) or ("://" in source and not is_web(source)):
        return _Capture(str(source), source, Kind())
    kind = _kind_of_web(source) if is_web(source) else kind_of_file(source)
    if is_web(source) and (kind.reads == "video" or kind in (Kind(), PLAYLIST)):
        return _Capture(source, source, Kind())
    if not is_web(source) and (not os.path.isfile(source) or not os.path.getsize(source)):
        read_bytes(source, "video")  # says what is wrong with it
    if kind.reads == "nothing" and kind.name:
        raise NoPictureError(f"{source} holds {kind.name}; {kind.remedy}")
    if kind.remedy:
        raise NoPictureError(f"{source} holds no frame that can be decoded; {kind.remedy}")
    if kind.name == "TIFF":
        return _Pages(source)
    if kind.reads in ("image", "frames"):
        return _Animation(source)
    return _Capture(source, source, kind)


def _kind_of_web(address: str) -> Kind:
    try:
        return kind_of(fetch(address, HEAD))
    except (OSError, ValueError) as error:
        raise NoPictureError(f"{address} cannot be opened: {error}") from error


class _Capture(Frames):
    """What OpenCV's video reader takes."""

    def __init__(self, name: str, source: str | int, kind: Kind) -> None:
        self.kind, self.is_camera = kind, isinstance(source, int)
        self.live = self.is_camera or "://" in str(source)
        options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT]
        try:
            if isinstance(source, str) and self.live:
                self.video = cv2.VideoCapture(source, cv2.CAP_FFMPEG, options)
            else:
                self.video = cv2.VideoCapture(source)
        except (cv2.error, ValueError) as error:  # ValueError: a name that is no text
            raise NoPictureError(f"{name} cannot be opened as a video: {error}") from error
        if not self.video.isOpened():
            raise NoPictureError(_not_opened(name, source, kind))
        size = (int(self.video.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(self.video.get(cv2.CAP_PROP_FRAME_WIDTH)))
        try:
            check_pixels(size)
        except ValueError as error:
            raise NoPictureError(f"{name} cannot be read: {error}") from error
        rate, count = self.video.get(cv2.CAP_PROP_FPS), self.video.get(cv2.CAP_PROP_FRAME_COUNT)
        super().__init__(
            name,
            rate=rate if 0 < rate <= 1000 else _GUESSED_RATE,
            expected=_believable(count, None if self.live else name),
        )

    def _decode(self) -> Iterator[Frame]:
        clock = _Clock(1000 / self.rate, silent_gaps=self.kind.name not in _EXACT and not self.live)
        lost = lost_avi_frames(self.name).tolist() if self.kind.name == "AVI" else []
        place = number = failures = 0
        try:
            while failures < (_LIVE_TRIES if self.live else _TRIES):
                if failures and self.expected is not None and number >= self.expected:
                    break
                more, image = self._next()
                if not more:
                    failures += 1
                    continue
                gap = clock.passed_over(self.video.get(cv2.CAP_PROP_POS_MSEC), failures)
                most = _MAX_GAP if self.expected is None else self.expected - 1 - number
                place += gap if gap <= min(most, _MAX_GAP) else failures
                while lost and lost[0] <= place:
                    del lost[0]
                    place += 1
                self.missing.extend(range(number, place))
                number = place = place + 1
                failures = 0
                yield Frame(number - 1, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            self._account_for_end(number, clock.last + clock.step)
        finally:
            self.video.release()

    def _next(self) -> tuple[bool, np.ndarray]:
        try:
            return self.video.read()
        except cv2.error:
            return False, np.zeros(0)

    def _account_for_end(self, number: int, time: float) -> None:
        """Say why fewer frames came than the file promises, if so.

        Args:
            number: that the next frame would have.
            time: at which it would come, ms.
        """
        if self.is_camera:
            self.fault = "it gave no more"
        if self.expected is None or number >= self.expected:
            return
        short = self.expected - number
        if self.kind.name == "MP4":  # its number counts what its edits leave out, too
            short = round((mp4_duration(self.name) or 0) * self.rate - time * self.rate / 1000)
        elif self.kind.name not in _EXACT and short <= max(0.2 * self.rate, 0.02 * self.expected):
            short = 0  # the number was estimated by the sound, or by times that were rounded
        if short <= 0:
            return
        self.fault = "" if self.live else why_cut_off(self.name, self.kind.name)
        if not self.fault and self.kind.name in _EXACT and short <= _MAX_GAP:
            self.missing.extend(range(number, number + short))
        elif not self.fault:
            self.fault = f"{short} more were promised: the file is cut off or damaged"


def _believable(count: float, path: str | None) -> int | None:
    """The number of frames that a file, or a stream, states; None if it states none, or more than a file has bytes."""
    most = 2**31 if path is None else os.path.getsize(path)
    return int(count) if 0 < count <= most else None


def _not_opened(name: str, source: str | int, kind: Kind) -> str:
    if isinstance(source, int):
        return f"camera {name} cannot be opened; is it connected, and free?"
    if "://" in source:
        return f"{name} cannot be opened within {_TIMEOUT // 1000} s; check the address, and whether it needs a login"
    cut = why_cut_off(name, kind.name)
    return f"{name} holds no frame that OpenCV can decode{f'; {cut}' if cut else ''}; convert it to mp4 (H.264)"


class _Clock:
    """Tells from the times of frames how many were passed over, as far as they come regularly.

    Args:
        step: ms between frames.
        silent_gaps: frames may be missing without a read that fails.
    """

    def __init__(self, step: float, silent_gaps: bool) -> None:
        self.step, self.silent_gaps = step, silent_gaps
        self.last = -step
        self.steady = True
        self.seen = 0

    def passed_over(self, time: float, failures: int) -> int:
        """How many frames were passed over before this one.

        Args:
            time: of this frame, ms.
            failures: reads that failed since the one before.
        """
        interval, self.last = time - self.last, time
        gap = round(interval / self.step) - 1
        if failures:
            return gap if self.steady and gap > 0 else failures
        if gap > 0 and self.steady and self.silent_gaps and self.seen >= _ENOUGH:
            return gap
        self.seen += 1
        if self.seen > 1:  # a stream may start at any time
            self.steady = self.steady and abs(interval - self.step) <= max(0.25 * self.step, 1.5)
        return 0


class _Animation(Frames):
    """GIF, WebP, PNG and AVIF, with their frames laid over each other as viewers do."""

    def __init__(self, name: str) -> None:
        try:
            self.image = open_pillow(BytesIO(read_bytes(name, "animation")))
            check_pixels((self.image.height, self.image.width))
            with decoding():
                count = getattr(self.image, "n_frames", 1)
                self.image.seek(0)
            delay = self.image.info.get("duration") or self._first_delay()
        except ValueError as error:
            raise NoPictureError(f"{name} holds no frame that can be decoded: {error}") from error
        super().__init__(name, moving=count > 1, rate=1000 / (delay or _DELAY), expected=count)

    def _first_delay(self) -> float:
        """Some formats tell it with the pixels."""
        try:
            with decoding():
                self.image.load()
        except ValueError:
            return 0
        return self.image.info.get("duration") or 0

    def _decode(self) -> Iterator[Frame]:
        with self.image:
            for number in range(self.expected or 0):
                try:
                    with decoding():
                        self.image.seek(number)
                    image = to_rgb(pillow_pixels(self.image), self.name)
                except ValueError as error:
                    self.missing.append(number)
                    self.fault = str(error)
                    continue
                yield Frame(number, image)


class _Pages(Frames):
    """TIFF."""

    def __init__(self, name: str) -> None:
        try:
            self.file = TiffFile(read_bytes(name))
        except ValueError as error:
            raise NoPictureError(f"{name} holds no frame that can be decoded: {error}") from error
        super().__init__(name, moving=False, expected=len(self.file.pages), fault=self.file.fault)

    def _decode(self) -> Iterator[Frame]:
        among = self._range()
        for number, page in enumerate(self.file.pages):
            try:
                image = to_rgb(self._samples(page), self.name, page.white_is_zero, among)
            except ValueError as error:
                self.missing.append(number)
                self.fault = self.fault or str(error)
                continue
            yield Frame(number, turn(image, page.orientation))

    def _samples(self, page: TiffPage) -> np.ndarray:
        check_pixels(page.size)
        return self.file.read(page)

    def _range(self) -> Range | None:
        """Smallest and largest value of all pages of more than 8 bits, so that one scale serves them all."""
        ranges = []
        for page in self.file.pages:
            if page.depth > 8:
                try:
                    samples = self._samples(page)
                    ranges.append((samples.min(), samples.max()))
                except ValueError:
                    continue  # listed when its turn comes
        return (min(low for low, _ in ranges), max(high for _, high in ranges)) if len(ranges) > 1 else None
