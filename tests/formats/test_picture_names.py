import itertools

import pytest

from aemm.formats import picture_name

APART = [
    ("a b.png", "a_b.png", "a(b.png", "a__b.png", "a b_png"),
    ("1/a.png", "1_a.png", "1\\a.png", "1//a.png", "./1/a.png"),
    ("cam/1", "cam 1", "cam_1", "cam:1", "cam-1", "cam\t1", "cam\n1"),
    ("a.png", "A.png", "a.PNG", ".a.png", "_a.png", "a.png ", " a.png"),
    (1, "1", "01", 10, "10", -1, "-1", "1.", "1 "),
    ("ä", "a\u0308", "ａ", "a", "Ä", "图", "圖", "\U0001f600", "\U0001f601"),
    ("x" * 300, "x" * 301, "x" * 299 + "y", "y" + "x" * 300),
    ("con", "CON", "con.png", "nul", "aux.txt", "com1", "lpt9", "prn", "console"),
    ("x\udce9", "x\udcea", "x?"),
    ("clip.mp4#000001", "clip.mp4#000010", "clip.mp4"),
    ("", " ", ".", "..", "/", "image"),
]


@pytest.mark.parametrize("ids", APART, ids=lambda ids: repr(ids[0])[:20])
def test_different_images_have_different_names_on_every_file_system(ids, tmp_path):
    names = [picture_name(one) for one in ids]
    assert len({name.casefold() for name in names}) == len(ids)
    for name in names:
        assert len(name.encode()) <= 255
        assert not set(name) & set('<>:"/\\|?*\0\n\t ')
        assert not name.startswith((".", "-"))
        assert name.split(".")[0].casefold() not in ("con", "nul", "aux", "prn", "com1", "lpt9")
        (tmp_path / name).write_bytes(b"")
    assert len(list(tmp_path.iterdir())) == len(ids)


def test_a_name_that_was_made_cannot_be_taken_by_another_image():
    made = picture_name("a b")
    assert picture_name(made.removesuffix(".png")) != made


def test_plain_identifiers_are_their_own_names():
    for plain in (139, "000000000139", "2007_000032", "cam-1", "photo.jpg"):
        assert picture_name(plain) == f"{plain}.png"
    assert picture_name("clip", ".mp4") == "clip.mp4"


def test_a_path_shows_its_last_parts():
    assert picture_name("/a/IMG 1.jpg").startswith("a_IMG_1.jpg-")
    name = picture_name("/home/someone/with/a/very/long/path/that/nobody/reads/photos/party/IMG 1.jpg")
    assert name.startswith("path_that_nobody_reads_photos_party_IMG_1.jpg-")


def test_a_thousand_random_names_stay_apart():
    letters = "aA_ .-/\\ä:"
    ids = ["".join(word) for word in itertools.product(letters, repeat=3)]
    assert len({picture_name(one).casefold() for one in ids}) == len(ids)
