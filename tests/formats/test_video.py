import io

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import AppendingTiffWriter, ImageFileDirectory_v2

from aemm.formats import NoPictureError, UnreadableImageError, decoders, open_frames
from aemm.formats.containers import lost_avi_frames, mp4_duration, why_cut_off
from aemm.ops import pixels
from tests.drawn_files import encoded, frame, number_of, write_video

CODES = [
    ("a.avi", "MJPG"),
    ("b.avi", "XVID"),
    ("c.mp4", "mp4v"),
    ("d.mkv", "MJPG"),
    ("e.webm", "VP80"),
    ("f.mov", "MJPG"),
]


@pytest.fixture(autouse=True)
def say_all_again(monkeypatch):
    monkeypatch.setattr(pixels, "_SAID", set())


def _read(path):
    frames = open_frames(str(path))
    return frames, [(number, number_of(picture)) for number, picture in frames]


def _damaged(path, start, size, seed=0):
    """The same file with foreign bytes in it."""
    data = bytearray(path.read_bytes())
    data[start : start + size] = np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes()
    path.write_bytes(bytes(data))


def _chunks(path):
    """Where the frames of an AVI file start."""
    data = path.read_bytes()
    found, at, index = [], data.find(b"movi"), data.rfind(b"idx1")
    while 0 <= (at := data.find(b"00dc", at + 1)) < index:
        found.append(at)
    return found


@pytest.mark.parametrize(("name", "code"), CODES)
def test_whole_videos_are_read_whole(tmp_path, name, code):
    frames, shown = _read(write_video(tmp_path / name, 30, code))
    assert shown == [(n, n) for n in range(30)]
    assert (frames.read, frames.expected, frames.rate, frames.moving) == (30, 30, 10, True)
    assert frames.describe_loss() == ""


@pytest.mark.parametrize("bad", [[0], [7], [29], [3, 4, 5], [0, 15, 29]])
def test_frames_that_cannot_be_decoded_are_passed_over_and_later_ones_keep_their_numbers(tmp_path, bad):
    path = write_video(tmp_path / "clip.avi")
    data = bytearray(path.read_bytes())
    for at in (_chunks(path)[n] for n in bad):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        data[at + 8 : at + 8 + size] = bytes(size)
    path.write_bytes(bytes(data))
    frames, shown = _read(path)
    assert shown == [(n, n) for n in range(30) if n not in bad]
    assert frames.missing == bad
    assert f"{30 - len(bad)} of 30 frames were read; not decoded: " in frames.describe_loss()


def test_frames_whose_place_was_overwritten_leave_a_gap_in_the_numbers(tmp_path):
    path = write_video(tmp_path / "clip.avi")
    places = _chunks(path)
    _damaged(path, places[10] - 20, places[13] - places[10] + 10)
    np.testing.assert_array_equal(lost_avi_frames(str(path)), [10, 11, 12])
    frames, shown = _read(path)
    assert [number for number, picture in shown if number > 13] == list(range(14, 30))
    assert all(number == picture for number, picture in shown if number > 13)
    assert {10, 11, 12} <= set(frames.missing)


@pytest.mark.parametrize(("name", "code"), [("c.mp4", "mp4v"), ("d.mkv", "MJPG"), ("f.mov", "MJPG")])
def test_a_gap_in_other_containers_keeps_the_numbers_too(tmp_path, name, code):
    path = write_video(tmp_path / name, 30, code)
    size = path.stat().st_size
    _damaged(path, size // 2, size // 10)
    frames, shown = _read(path)
    assert 20 < len(shown) < 30
    assert all(number == picture for number, picture in shown if number >= 20 or number < 12)
    assert shown[-1] == (29, 29)
    assert frames.describe_loss().startswith(f"{len(shown)} of 30 frames were read; not decoded: ")


@pytest.mark.parametrize(("name", "code"), CODES)
def test_a_video_that_was_cut_off_says_so(tmp_path, name, code):
    path = write_video(tmp_path / name, 30, code)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    if name.endswith((".mp4", ".mov")):  # whose index stands at the end
        with pytest.raises(NoPictureError, match="holds no frame that OpenCV can decode; the file is cut off"):
            open_frames(str(path))
        return
    frames, shown = _read(path)
    assert 10 < len(shown) < 25
    assert f"{len(shown)} of 30 frames were read" in frames.describe_loss()
    assert "cut off" in frames.describe_loss()


def test_the_last_frames_of_an_mp4_are_missed(tmp_path):
    path = write_video(tmp_path / "clip.mov")
    end = path.read_bytes().find(b"moov") - 4
    _damaged(path, end - 4000, 4000)
    assert mp4_duration(str(path)) == 3
    frames, shown = _read(path)
    assert 20 < len(shown) < 30
    assert frames.missing == list(range(shown[-1][0] + 1, 30))


def test_an_index_without_frames_tells_nothing(tmp_path):
    path = write_video(tmp_path / "clip.avi")
    assert not len(lost_avi_frames(str(path)))
    assert why_cut_off(str(path), "AVI") == why_cut_off(str(path), "other") == ""
    (tmp_path / "short").write_bytes(b"RIFF\0\0\0\0AVI ")
    assert not len(lost_avi_frames(str(tmp_path / "short")))


def _animation(kind, count=6, **settings):
    pictures = [Image.fromarray(frame(n)) for n in range(count)]
    return encoded(pictures[0], kind, save_all=True, append_images=pictures[1:], **settings)


@pytest.mark.parametrize(
    ("name", "kind", "settings", "rate"),
    [
        ("slow.gif", "GIF", dict(duration=100), 10),
        ("fast.gif", "GIF", dict(duration=20), 50),
        ("zero.gif", "GIF", dict(duration=0), 10),
        ("none.gif", "GIF", {}, 10),
        ("a.webp", "WEBP", dict(duration=40, lossless=True), 25),
        ("zero.webp", "WEBP", dict(duration=0, lossless=True), 10),
        ("a.png", "PNG", dict(duration=50), 20),
        ("pages.tif", "TIFF", {}, 25),
        ("packed.tiff", "TIFF", dict(compression="tiff_lzw"), 25),
    ],
)
def test_animations_and_pages_give_all_their_frames(tmp_path, name, kind, settings, rate):
    (tmp_path / name).write_bytes(_animation(kind, **settings))
    frames, shown = _read(tmp_path / name)
    assert shown == [(n, n) for n in range(6)]
    assert frames.rate == pytest.approx(rate)
    assert frames.moving == (kind != "TIFF")
    assert frames.describe_loss() == ""


@pytest.mark.parametrize("colors", [1, 3])
def test_pages_of_more_bits_are_scaled_by_the_range_of_all(tmp_path, colors):
    pages = [np.full((20, 30, colors), 100 * n, np.uint16) for n in range(1, 5)]
    cv2.imwritemulti(str(tmp_path / "deep.tif"), pages)
    with pytest.warns(UserWarning, match=r"from 100 to 400, so it is read as 10 bits"):
        found = [picture for _, picture in open_frames(str(tmp_path / "deep.tif"))]
    assert [int(picture[0, 0, 0]) for picture in found] == [25, 50, 75, 100]


def test_smaller_copies_of_a_page_are_no_pages(tmp_path):
    whole, small = Image.fromarray(frame(3)), Image.fromarray(frame(3)[::2, ::2])
    data = encoded(whole, "TIFF", save_all=True, append_images=[small])
    (tmp_path / "a.tif").write_bytes(data)
    assert open_frames(str(tmp_path / "a.tif")).expected == 2
    with AppendingTiffWriter(str(tmp_path / "b.tif"), new=True) as file:
        whole.save(file, "TIFF")
        file.newFrame()
        copy = ImageFileDirectory_v2()
        copy[254] = 1
        small.save(file, "TIFF", tiffinfo=copy)
    assert open_frames(str(tmp_path / "b.tif")).expected == 1


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_gif_that_was_cut_off_says_so(tmp_path, share):
    data = _animation("GIF", duration=100)
    (tmp_path / "cut.gif").write_bytes(data[: int(len(data) * share)])
    frames, shown = _read(tmp_path / "cut.gif")
    assert 0 < len(shown) < 6
    assert "frames were read; not decoded: " in frames.describe_loss()


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_pages_that_were_cut_off_are_missed(tmp_path, share):
    data = _animation("TIFF", 8)
    (tmp_path / "cut.tif").write_bytes(data[: int(len(data) * share)])
    frames, shown = _read(tmp_path / "cut.tif")
    assert 0 < len(shown) < 8
    assert "cut off" in frames.describe_loss() or "damaged" in frames.describe_loss()


def test_a_damaged_page_is_passed_over(tmp_path):
    data = bytearray(_animation("TIFF", compression="tiff_lzw"))
    with Image.open(io.BytesIO(bytes(data))) as opened:
        opened.seek(3)
        at, size = opened.tag_v2[273][0], opened.tag_v2[279][0]
    data[at : at + size] = bytes(255 for _ in range(size))
    (tmp_path / "x.tif").write_bytes(data)
    frames, shown = _read(tmp_path / "x.tif")
    assert [number for number, _ in shown] == [0, 1, 2, 4, 5]
    assert "5 of 6 frames were read; not decoded: 3" in frames.describe_loss()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.gif", b"GIF89a but not really", "holds no frame"),
        ("a.mp4", b"\0\0\0\x18ftypisom" + bytes(100), "holds no frame that OpenCV can decode; the file is cut off"),
        ("a.mp4", b"#EXTM3U\nhttp://elsewhere/secret.ts\n", "holds list of other files"),
        ("a.avi", b"", r"empty \(0 bytes\)"),
        ("a.mkv", b"\x1a\x45\xdf\xa3" + bytes(50), "holds no frame"),
        ("a.webp", _animation("WEBP")[:-200], "holds no frame"),
    ],
)
def test_what_holds_no_frame_is_named(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UnreadableImageError, match=message) as caught:
        list(open_frames(str(tmp_path / name)))
    assert name in str(caught.value)


def test_sources_that_are_not_there_are_named(tmp_path):
    with pytest.raises(UnreadableImageError, match=r"nowhere\.mp4 cannot be opened"):
        open_frames(str(tmp_path / "nowhere.mp4"))
    with pytest.raises(NoPictureError, match="camera 63 cannot be opened; is it connected"):
        open_frames(63)
    with pytest.raises(NoPictureError, match="cannot be opened within 10 s; check the address"):
        open_frames("rtsp://127.0.0.1:9/nothing")


def test_videos_of_too_many_pixels_are_refused(tmp_path, monkeypatch):
    path = write_video(tmp_path / "clip.avi")
    (tmp_path / "a.gif").write_bytes(_animation("GIF"))
    monkeypatch.setattr(decoders, "MAX_PIXELS", 1000)
    for name in (path, tmp_path / "a.gif"):
        with pytest.raises(UnreadableImageError, match="80x60 pixels, up to 1000"):
            open_frames(str(name))
