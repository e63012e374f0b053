import functools
import http.server
import io
import os
import threading
import warnings

import numpy as np
import pytest
from PIL import Image

from aemm.apis import Account, count_images, find_sources, read_inputs
from aemm.formats import UnreadableImageError
from tests.drawn_files import encoded, frame, jpeg_with_preview, number_of, scene, write_video

PNG = encoded(scene(), "PNG")


def _make(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def _read(inputs, account=None, **settings):
    account = Account() if account is None else account
    found = [image_id for source in find_sources(inputs, account, **settings) for image_id, _ in source]
    assert account.images == len(found)
    assert account.found == account.read + len(account.left_out) + len(account.other)
    return found, account


def test_folders_are_read_with_all_below_them_by_content_in_the_order_of_names(tmp_path):
    files = {
        **dict.fromkeys(("b.png", "A.PNG", "c.jfif", "no ending", "sub/deep/d.jpeg", "sub/a.webp", "x.txt"), PNG),
        "ü ñ 图.jpg": jpeg_with_preview(scene()),
        "z.tiff": encoded(scene(), "TIFF"),
    }
    found, account = _read(_make(tmp_path, files))
    assert [os.path.relpath(one, tmp_path) for one in found] == [
        *("A.PNG", "b.png", "c.jfif", "no ending", "x.txt", "z.tiff", "ü ñ 图.jpg", "sub/a.webp", "sub/deep/d.jpeg"),
    ]
    assert account.complete


@pytest.mark.parametrize("name", ["._a.png", ".DS_Store", ".x/a.png", "Thumbs.db", "__MACOSX/a.png", "desktop.ini"])
def test_hidden_files_are_passed_over_without_a_word(tmp_path, name):
    found, account = _read(_make(tmp_path, {"a.png": PNG, name: b"\0\5\26\7" + bytes(20)}))
    assert found == [str(tmp_path / "a.png")]
    assert account.complete
    assert account.hidden == 1
    assert not account.other


@pytest.mark.parametrize("name", ["notes.txt", "people.json", "a.pdf", "song.mp3", "README", "the free"])
def test_other_files_are_listed_and_are_no_loss(tmp_path, name):
    found, account = _read(_make(tmp_path, {"a.png": PNG, name: b"the free text of people"}))
    assert account.other == [str(tmp_path / name)]
    assert account.complete
    assert len(found) == 1


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("z.png", b"", "is empty"),
        ("z.jpg", jpeg_with_preview(scene((200, 300)))[:-4000], "cut off"),
        ("z.png", b"text", "as no known image does"),
        ("z.mp4", b"text", "holds no frame"),
        ("z.avi", b"", "is empty"),
        ("z.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "holds HEIC; convert it to JPEG"),
        ("no ending", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "holds HEIC"),
        ("z.NEF", encoded(scene(), "TIFF"), "camera raw; develop it"),
        ("z.gif", b"GIF89a", "holds no frame"),
        ("z.png", encoded(np.zeros((3, 300, 3), np.uint8), "PNG"), "one up to 40 times as long as wide"),
    ],
)
def test_bad_files_are_left_out_with_the_reason_and_the_rest_is_read(tmp_path, name, data, reason):
    found, account = _read(_make(tmp_path, {"a.png": PNG, name: data, "zz.png": PNG}))
    assert len(found) == 2
    (row,) = account.left_out
    assert row.name == str(tmp_path / name)
    assert reason in row.reason
    assert not account.complete


def test_without_an_account_the_first_fault_is_raised(tmp_path):
    _make(tmp_path, {"a.png": PNG, "b.png": b"", "c.png": PNG})
    images = read_inputs(tmp_path)
    next(images)
    with pytest.raises(UnreadableImageError, match=r"b\.png is empty"):
        next(images)


def test_without_an_account_missing_frames_are_a_warning(tmp_path):
    path = write_video(tmp_path / "clip.avi")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.warns(UserWarning, match=r"clip\.avi: .* of 30 frames were read; the file is cut off"):
        list(read_inputs(path))


def test_links_pipes_and_closed_folders_are_listed_not_waited_for(tmp_path):
    _make(tmp_path, {"a.png": PNG, "sub/b.png": PNG})
    os.mkfifo(tmp_path / "pipe.png")
    os.symlink(tmp_path / "nowhere.png", tmp_path / "dead.png")
    os.symlink(tmp_path, tmp_path / "sub" / "loop")
    os.symlink(tmp_path / "sub", tmp_path / "twice")
    found, account = _read(tmp_path)
    assert {os.path.basename(one) for one in found} == {"a.png", "b.png"}
    assert len(found) == 2
    assert [os.path.basename(row.name) for row in account.left_out] == ["dead.png"]
    assert [os.path.basename(name) for name in account.other] == ["pipe.png"]


def test_a_file_given_twice_is_read_once(tmp_path):
    _make(tmp_path, {"a.png": PNG, "sub/b.png": PNG})
    found, account = _read([tmp_path / "a.png", tmp_path, f"{tmp_path}/sub/../a.png", f"{tmp_path}/*.png"])
    assert len(found) == 2
    assert account.repeated == 3
    assert account.complete


def test_the_folder_of_results_is_passed_over(tmp_path):
    _make(tmp_path, {"a.png": PNG, "out/b.png": PNG})
    assert len(_read(tmp_path, skip=tmp_path / "out")[0]) == 1
    assert len(_read(tmp_path / "out", skip=tmp_path / "out")[0]) == 1
    for pattern, count in (("**/*.png", 1), ("*", 1), ("o*", 0), ("out/*.png", 1), ("out/**", 1)):
        assert len(_read(f"{tmp_path}/{pattern}", skip=tmp_path / "out")[0]) == count, pattern


def test_patterns_are_spread(tmp_path):
    _make(tmp_path, {"a.jpg": PNG, "b.png": PNG, "x/c.jpg": PNG, "x/y/d.jpg": PNG, "x/notes.txt": b"text"})

    def names(pattern):
        return [os.path.basename(one) for one in _read(f"{tmp_path}/{pattern}")[0]]

    assert names("*.jpg") == ["a.jpg"]
    assert names("**/*.jpg") == ["a.jpg", "c.jpg", "d.jpg"]
    assert names("[ab].*") == ["a.jpg", "b.png"]
    assert names("x/*") == ["c.jpg", "d.jpg"]
    found, account = _read([f"{tmp_path}/*.gif", f"{tmp_path}/a.jpg"])
    assert len(found) == 1
    assert "as a pattern it finds no image" in account.left_out[0].reason
    _make(tmp_path, {"odd[1].jpg": PNG})
    assert names("odd[1].jpg") == ["odd[1].jpg"]


def test_paths_come_from_the_standard_input(tmp_path):
    _make(tmp_path, {"a b.png": PNG, "c.png": PNG, "d\udce9.png": PNG, "e.png": PNG})
    lines = b"%(0)s/a b.png\n\n%(0)s/c.png\r\n%(0)s/d\xe9.png\0%(0)s/e.png\0\nnowhere.png\n" % {
        b"0": os.fsencode(tmp_path)
    }
    found, account = _read("-", stdin=io.BytesIO(lines))
    assert [os.path.basename(one) for one in found] == ["a b.png", "c.png", "d\udce9.png", "e.png"]
    assert "input nowhere.png does not exist" in account.left_out[0].reason
    assert "d\\udce9" not in account.describe()


def test_arrays_and_numbers_are_inputs(tmp_path, monkeypatch):
    found, account = _read([scene(), str(_make(tmp_path, {"a.png": PNG}) / "a.png"), scene(seed=1)])
    assert found == [0, str(tmp_path / "a.png"), 2]
    for camera in (63, "63"):
        found, account = _read([camera])
        assert "camera 63 cannot be opened" in account.left_out[0].reason
    _make(tmp_path, {"7": PNG})
    monkeypatch.chdir(tmp_path)
    assert _read("7")[0] == ["7"]


@pytest.mark.parametrize("wrong", [None, True, 1.5, b"a.png", Image.new("RGB", (4, 4)), [["a.png"]], [None]])
def test_what_is_no_input_is_named(wrong):
    with pytest.raises(ValueError, match="input 0 must be an RGB array, a path, an address or the number of a camera"):
        _read(wrong)


def test_numbers_of_numpy_are_cameras_and_any_path_is_one(tmp_path):
    assert "camera 63 cannot be opened" in _read(np.int64(63))[1].left_out[0].reason
    with os.scandir(_make(tmp_path, {"a.png": PNG})) as entries:
        assert _read(entries)[0] == [str(tmp_path / "a.png")]


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3), (1, 4, 4, 3)])
def test_arrays_that_are_no_pictures_are_refused(shape):
    with pytest.raises(ValueError, match=r"input 0 must be \(H, W, 3\) uint8 RGB"):
        _read(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(("kind", "name"), [("GIF", "a.gif"), ("WEBP", "a.webp"), ("TIFF", "a.tif"), ("PNG", "a.png")])
def test_one_picture_goes_by_its_path_and_several_by_their_numbers(tmp_path, kind, name):
    pictures = [Image.fromarray(frame(n)) for n in range(3)]
    _make(tmp_path, {f"1/{name}": encoded(pictures[0], kind)})
    _make(tmp_path, {f"3/{name}": encoded(pictures[0], kind, save_all=True, append_images=pictures[1:], duration=40)})
    found, account = _read(tmp_path)
    three = str(tmp_path / "3" / name)
    assert found == [str(tmp_path / "1" / name), *(f"{three}#{n:06d}" for n in range(3))]
    assert account.complete


def test_a_video_with_a_bad_frame_is_read_to_its_end_and_listed(tmp_path):
    path = write_video(tmp_path / "clip.avi")
    data = bytearray(path.read_bytes())
    start = data.find(b"00dc", data.find(b"movi"))
    data[start + 8 : start + 700] = bytes(692)
    path.write_bytes(bytes(data))
    account = Account()
    shown = [(key, number_of(image)) for key, image in read_inputs(path, account)]
    assert shown == [(f"{path}#{n:06d}", n) for n in range(1, 30)]
    assert account.partial[0].reason == "29 of 30 frames were read; not decoded: 0"
    assert not account.complete


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    _make(tmp_path, {"a.png": PNG})
    write_video(tmp_path / "clip.avi", 5)
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_addresses_of_images_and_videos_are_read(server):
    image, video = f"{server}/a.png?size=large", f"{server}/clip.avi"
    found, account = _read([image, video, f"{server}/nowhere.png"])
    assert found == [image, *(f"{video}#{n:06d}" for n in range(5))]
    assert "nowhere.png cannot be opened" in account.left_out[0].reason


def test_a_folder_without_images_and_one_that_is_not_there_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    _, account = _read([tmp_path / "empty", tmp_path / "nowhere"])
    assert [row.reason for row in account.left_out] == [
        f"folder {tmp_path}/empty holds no image or video",
        f"input {tmp_path}/nowhere does not exist",
    ]


def test_long_lists_are_cut_and_odd_names_stay_on_their_line(tmp_path):
    _make(tmp_path, {f"{n:03d}.txt": b"text" for n in range(50)} | {"a\nb.png": b"", "c.png": PNG})
    text = _read(tmp_path)[1].describe()
    assert "50 neither image nor video" in text
    assert "(and 30 more)" in text
    assert "a\\nb.png" in text
    assert len(text.splitlines()) < 30


def trouble(folder):
    """200 files with twelve kinds of trouble; how many images they give, and how many are to be listed."""
    whole = jpeg_with_preview(scene((60, 80)))
    files = {f"{n % 5}/{n:03d}.jpg": whole for n in range(140)}
    kinds = {
        "empty.png": b"",
        "cut.jpg": whole[: len(whole) - 600],
        "text.jpg": b"this is no picture",
        "half.png": PNG[: len(PNG) // 2],
        "page.jpg": b"<!DOCTYPE html><html></html>",
        "phone.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "raw.CR2": encoded(scene(), "TIFF"),
        "long.png": encoded(np.zeros((2, 200, 3), np.uint8), "PNG"),
        "range.tif": encoded(Image.fromarray(np.float32([[-1, 5]])), "TIFF"),
        "film.mp4": b"\0\0\0\x18ftypisom" + bytes(50),
    }
    for n in range(4):
        files |= {f"bad {n}/{name}": data for name, data in kinds.items()}
    files |= {f"other/{n}.txt": b"text" for n in range(10)}
    files |= {f"hidden/._{n}.jpg": b"\0" for n in range(10)}
    _make(folder, files)
    assert len(files) == 200
    return 140, 40, 10, 10


def test_a_folder_of_trouble_is_accounted_for_to_the_last_file(tmp_path):
    images, bad, other, hidden = trouble(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, account = _read(tmp_path)
    assert len(found) == images
    assert (len(account.left_out), len(account.other), account.hidden) == (bad, other, hidden)
    assert images + bad + other + hidden == 200
    assert len({row.name for row in account.left_out}) == bad
    assert all(row.reason for row in account.left_out)


def test_images_are_counted_before_they_are_read(tmp_path):
    _make(tmp_path, {"a.png": PNG, "sub/b.jpg": PNG, "empty.gif": b"GIF89a", "notes.txt": b"text"})
    write_video(tmp_path / "clip.avi", 7)
    assert count_images([tmp_path, scene()]) == 2 + 7 + 1
    assert count_images([str(tmp_path), "-"]) is None
    assert count_images(["0"]) is None
    assert count_images(["rtsp://127.0.0.1/1"]) is None
