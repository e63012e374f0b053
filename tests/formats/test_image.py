import struct
import warnings

import cv2
import numpy as np
import pytest
from PIL import Image

from aemm.formats import UnreadableImageError, load_image
from aemm.formats.decoders import MAX_PIXELS
from aemm.formats.image import load_annotated_image
from aemm.ops import pixels
from tests.drawn_files import encoded, jpeg_with_preview, png, png_part, scene


@pytest.fixture(autouse=True)
def say_all_again(monkeypatch):
    monkeypatch.setattr(pixels, "_SAID", set())


@pytest.fixture
def write(tmp_path):
    def write(data, name="image"):
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write


def _opencv(image, ending):
    settings = [cv2.IMWRITE_TIFF_COMPRESSION, 1] if ending == ".tif" else []  # none, so that floats stay what they are
    return cv2.imencode(ending, image if image.ndim == 2 else image[..., ::-1], settings)[1].tobytes()


def _quiet(path, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_image(path, **settings)


GREY = scene()[..., 0]
ALPHA = np.where(np.arange(64) < 32, 0, 255).astype(np.uint8) * np.ones((48, 1), np.uint8)


@pytest.mark.parametrize(
    ("data", "expected", "tolerance"),
    [
        (encoded(scene(), "PNG"), scene(), 0),
        (encoded(scene(), "BMP"), scene(), 0),
        (encoded(scene(), "TIFF"), scene(), 0),
        (encoded(scene(), "TIFF", compression="tiff_lzw"), scene(), 0),
        (encoded(scene(), "WEBP", lossless=True), scene(), 0),
        (encoded(scene(), "PPM"), scene(), 0),
        (encoded(scene(), "JPEG2000"), scene(), 0),
        (encoded(scene(), "JPEG", quality=95), scene(), 16),
        (encoded(scene(), "JPEG", quality=95, progressive=True), scene(), 16),
        (encoded(Image.fromarray(scene()).convert("CMYK"), "JPEG", quality=95), scene(), 16),
        (encoded(Image.fromarray(scene()).convert("CMYK"), "TIFF"), scene(), 0),
        (encoded(Image.fromarray(scene()).quantize(256), "PNG"), scene(), 30),
        (encoded(Image.fromarray(scene()).quantize(256), "GIF"), scene(), 30),
        (encoded(GREY, "PNG"), GREY, 0),
        (encoded(GREY, "TIFF"), GREY, 0),
        (encoded(GREY, "JPEG", quality=95), GREY, 12),
    ],
)
def test_eight_bits_of_every_kind_are_read_alike_whatever_the_name(write, data, expected, tolerance):
    image = _quiet(write(data, "a.jpg"))
    assert image.dtype == np.uint8
    assert image.shape == (48, 64, 3)
    assert image.flags.c_contiguous
    wanted = expected if expected.ndim == 3 else expected[..., None]
    assert np.abs(image.astype(int) - wanted).max() <= tolerance


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_few_bits_are_spread_over_the_whole_range(write, depth):
    numbers = np.arange(64) % 2**depth * np.ones((5, 1), int)
    image = _quiet(write(png(numbers, depth)))
    np.testing.assert_array_equal(image[..., 1], numbers * 255 // (2**depth - 1))


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("ending", [".png", ".tif", ".pgm"])
@pytest.mark.parametrize("colors", [1, 3])
def test_more_bits_are_scaled_by_the_range_in_use_and_the_range_is_named(write, bits, ending, colors):
    most = 2**bits - 1
    deep = np.rint(scene()[..., :colors] / 255 * most * 0.95).astype(np.uint16)
    path = write(_opencv(deep[..., 0] if colors == 1 else deep, ".ppm" if ending == ".pgm" and colors == 3 else ending))
    with pytest.warns(UserWarning, match=rf"from {deep.min()} to {deep.max()}, so it is read as {bits} bits"):
        image = load_image(path)
    np.testing.assert_allclose(image, np.broadcast_to(deep / most * 255, image.shape), atol=0.51)


def test_the_range_is_named_once(write):
    path = write(_opencv(scene().astype(np.uint16) * 16, ".png"))
    with pytest.warns(UserWarning, match="12 bits"):
        load_image(path)
    _quiet(path)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("whole", [1, 255])
def test_floats_are_read_if_their_range_is_plain(write, kind, whole):
    image = _quiet(write(_opencv((scene() / 255 * whole).astype(kind), ".tif")))
    np.testing.assert_allclose(image, scene(), atol=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a * 4000, r"float32 values from .* to .*, expected 0 to 1 or 0 to 255"),
        (lambda a: a * 3, "expected 0 to 1"),
        (lambda a: a - 0.5, "from -0.5"),
        (lambda a: np.where(a > 0.8, np.nan, a), "nan"),
    ],
)
def test_floats_of_a_range_that_cannot_be_told_are_refused_with_the_range(write, change, message):
    values = change(np.linspace(0, 1, 48 * 64, dtype=np.float32).reshape(48, 64)).astype(np.float32)
    with pytest.raises(UnreadableImageError, match=message):
        load_image(write(_opencv(values, ".tif")))


def test_negative_and_too_large_numbers_are_refused_with_the_range(write):
    with pytest.raises(UnreadableImageError, match="int16 values from -100 to"):
        load_image(write(_opencv(scene().astype(np.int16) - 100, ".tif")))
    with pytest.raises(UnreadableImageError, match=r"from 0 to 2..000, expected 0 to 65535"):
        load_image(write(encoded(Image.fromarray(GREY.astype(np.int32) * 1000), "TIFF")))


@pytest.mark.parametrize(
    "data",
    [
        encoded(np.dstack([scene(), ALPHA]), "PNG"),
        encoded(np.dstack([scene(), ALPHA]), "TIFF"),
        encoded(np.dstack([scene(), ALPHA]), "WEBP", lossless=True, exact=True),
        cv2.imencode(".png", np.dstack([scene()[..., ::-1], ALPHA]).astype(np.uint16) * 257)[1].tobytes(),
    ],
    ids=["png", "tiff", "webp", "png16"],
)
def test_what_is_transparent_shows_white(write, data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = load_image(write(data))
    assert (image[:, :32] == 255).all()
    np.testing.assert_allclose(image[:, 32:], scene()[:, 32:], atol=1)


def test_a_transparent_colour_and_half_an_alpha_show_white_too(write):
    parts = png_part(b"tRNS", struct.pack(">H", 1))
    numbers = np.arange(64) % 4 * np.ones((5, 1), int)
    np.testing.assert_array_equal(
        _quiet(write(png(numbers, 2, parts=parts)))[..., 0], np.where(numbers == 1, 255, numbers * 85)
    )
    half = np.dstack([scene(), np.full_like(GREY, 128)])
    np.testing.assert_allclose(_quiet(write(encoded(half, "PNG"))), scene() * 0.502 + 255 * 0.498, atol=1)


def test_white_is_zero_is_turned_round(write):
    values = (GREY.astype(np.uint16) * 257)[::-1]
    plain = encoded(Image.fromarray(values), "TIFF")
    turned = encoded(Image.fromarray(values), "TIFF", tiffinfo={262: 0})
    with pytest.warns(UserWarning, match="16 bits"):
        first, second = load_image(write(plain, "a")), load_image(write(turned, "b"))
    np.testing.assert_array_equal(first, 255 - second)


# rows: what a viewer shows at the upper left, upper right, lower left, lower right of what is stored as 0 1 2 3
TURNS = {
    1: [0, 1, 2, 3],
    2: [1, 0, 3, 2],
    3: [3, 2, 1, 0],
    4: [2, 3, 0, 1],
    5: [0, 2, 1, 3],
    6: [2, 0, 3, 1],
    7: [3, 1, 2, 0],
    8: [1, 3, 0, 2],
}


def _quarters(size=(32, 48)):
    image = np.zeros((*size, 3), np.uint8)
    half = (size[0] // 2, size[1] // 2)
    image[: half[0], half[1] :], image[half[0] :, : half[1]], image[half[0] :, half[1] :] = 80, 160, 240
    return image


def _corners(image):
    places = [image[2, 2], image[2, -3], image[-3, 2], image[-3, -3]]
    return [round(float(place.mean()) / 80) for place in places]


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("width", [48, 32])
def test_every_orientation_is_applied_or_left(write, orientation, kind, width):
    exif = Image.Exif()
    exif[274] = orientation
    settings = dict(tiffinfo={274: orientation}) if kind == "TIFF" else dict(exif=exif.tobytes())
    path = write(encoded(_quarters((32, width)), kind, **settings))
    shown = load_image(path)
    assert shown.shape == ((width, 32, 3) if orientation >= 5 else (32, width, 3))
    assert _corners(shown) == TURNS[orientation]
    stored = load_image(path, exif="ignore")
    assert stored.shape == (32, width, 3)
    assert _corners(stored) == [0, 1, 2, 3]


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_an_orientation_that_is_not_defined_changes_nothing(write, orientation):
    assert _corners(load_image(write(jpeg_with_preview(_quarters(), orientation)))) == [0, 1, 2, 3]


def test_the_switch_takes_two_words(write):
    with pytest.raises(ValueError, match="exif must be 'apply' or 'ignore', got 'no'"):
        load_image(write(encoded(scene(), "PNG")), exif="no")


class TestAnnotatedSizes:
    def test_a_quarter_turn_whose_raw_size_was_annotated_names_the_switch(self, write):
        path = write(jpeg_with_preview(_quarters(), 6))
        with pytest.raises(UnreadableImageError, match=r"is 32x48 by its EXIF orientation 6 .*exif='ignore'"):
            load_annotated_image(path, (32, 48), "people.json")
        assert load_annotated_image(path, (32, 48), "people.json", "ignore").shape == (32, 48, 3)

    def test_the_opposite_names_the_opposite(self, write):
        path = write(jpeg_with_preview(_quarters(), 8))
        assert load_annotated_image(path, (48, 32), "people.json").shape == (48, 32, 3)
        with pytest.raises(UnreadableImageError, match="exif='apply'"):
            load_annotated_image(path, (48, 32), "people.json", "ignore")

    @pytest.mark.parametrize(("orientation", "size"), [(2, (32, 48)), (3, (32, 48)), (4, (32, 48)), (6, (32, 32))])
    def test_where_sizes_cannot_tell_there_is_one_warning_unless_it_is_decided(self, write, orientation, size):
        path = write(jpeg_with_preview(_quarters(size), orientation))
        with pytest.warns(UserWarning, match=rf"EXIF orientation {orientation}.*fits either way.*exif='ignore'"):
            load_annotated_image(path, size, "people.json")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_annotated_image(path, size, "people.json")
            pixels._SAID.clear()
            turned = load_annotated_image(path, size, "people.json", "apply")
            raw = load_annotated_image(path, size, "people.json", "ignore")
        assert _corners(turned) == TURNS[orientation]
        assert _corners(raw) == [0, 1, 2, 3]

    def test_a_quarter_turn_that_fits_says_nothing(self, write):
        path = write(jpeg_with_preview(_quarters(), 6))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_annotated_image(path, (48, 32), "people.json")

    def test_another_size_is_named_without_blaming_the_orientation(self, write):
        with pytest.raises(UnreadableImageError, match=r"is 48x32, but people\.json says 50x32; the file was replaced"):
            load_annotated_image(write(jpeg_with_preview(_quarters())), (32, 50), "people.json")


class TestDamage:
    def _refused(self, path, message):
        with pytest.raises(UnreadableImageError, match=message):
            load_image(path)

    @pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
    @pytest.mark.parametrize("progressive", [False, True])
    def test_a_jpeg_that_was_cut_off_is_found_though_its_preview_is_whole(self, write, share, progressive):
        whole = jpeg_with_preview(scene((200, 300)), progressive=progressive)
        load_image(write(whole))
        start = whole.rfind(b"\xff\xda") if not progressive else whole.find(b"\xff\xda")
        cut = start + int((len(whole) - start) * share)
        self._refused(write(whole[:cut]), "cut off")
        self._refused(write(whole[:cut] + bytes(len(whole) - cut)), "cut off")

    def test_bytes_behind_the_end_are_no_damage(self, write):
        whole = encoded(scene(), "JPEG")
        for tail in (bytes(100), b"\xff\xd9", b"motion photo\xff\xd8\xff\xd9" * 3, encoded(scene(seed=1), "JPEG")):
            np.testing.assert_array_equal(_quiet(write(whole + tail)), _quiet(write(whole)))

    @pytest.mark.parametrize("size", [64, 512, 3000])
    def test_zeros_inside_a_jpeg_are_found(self, write, size):
        whole = encoded(np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8), "JPEG")
        place = len(whole) // 2
        self._refused(write(whole[:place] + bytes(size) + whole[place + size :]), "damaged: there are zeros")

    def test_foreign_bytes_inside_a_jpeg_are_found(self, write):
        whole = encoded(np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8), "JPEG")
        place, foreign = len(whole) // 2, np.random.default_rng(1).integers(0, 256, 4096, np.uint8).tobytes()
        self._refused(write(whole[:place] + foreign + whole[place + 4096 :]), "damaged")

    def test_data_that_ends_before_the_picture_is_found(self, write):
        whole = encoded(np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8), "JPEG")
        place = len(whole) // 2
        self._refused(write(whole[:place] + whole[place + 3000 :]), "ends before the picture does")

    @pytest.mark.parametrize("settings", [{}, dict(optimize=True), dict(progressive=True), dict(restart_marker_rows=1)])
    @pytest.mark.parametrize("image", ["flat grey", "grey corner", "black", "noise"])
    def test_whole_jpegs_of_odd_pictures_are_read(self, write, settings, image):
        picture = {
            "flat grey": np.full((80, 96, 3), 128, np.uint8),
            "grey corner": scene((80, 96)),
            "black": np.zeros((80, 96, 3), np.uint8),
            "noise": np.random.default_rng(0).integers(0, 256, (80, 96, 3), np.uint8),
        }[image]
        if image == "grey corner":
            picture[40:, 40:] = 128
        assert load_image(write(encoded(picture, "JPEG", **settings))).shape == (80, 96, 3)

    @pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "WEBP", "BMP"])
    def test_other_kinds_that_were_cut_off_are_found(self, write, kind):
        whole = encoded(scene((100, 120)), kind)
        self._refused(write(whole[: int(len(whole) * 0.7)]), "cannot be decoded")

    def test_a_png_of_another_content_than_its_checksum_says_is_found(self, write):
        whole = encoded(scene((100, 120)), "PNG")
        place = len(whole) // 2
        self._refused(write(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]), "checksum")

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", r"is empty \(0 bytes\)"),
            (b"no picture at all", "as no known image does"),
            (b"\xff\xd8\xff\xe0", "ends before the picture starts"),
            (b"\x89PNG\r\n\x1a\n", "is no PNG"),
            (b"II*\0\x08\0\0\0", "damaged|no page"),
            (b"GIF89a but not really", "cannot be decoded"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "holds HEIC; convert it to JPEG"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer; .*git lfs pull"),
            (b"<!DOCTYPE html><html>", "web page"),
            (b"\0\0\0\x18ftypisom\0\0\0\0", "holds MP4"),
        ],
    )
    def test_what_is_no_image_is_told_by_its_content(self, write, data, message):
        self._refused(write(data, "a.jpg"), message)

    def test_what_is_no_file_is_named(self, tmp_path):
        self._refused(str(tmp_path), "is a folder, expected a file")
        self._refused(str(tmp_path / "nowhere.png"), "cannot be opened")
        self._refused("/dev/zero", "is a device or pipe")
        self._refused("a\0b.png", "cannot be opened")

    def test_a_postscript_file_is_not_handed_to_another_program(self, write):
        self._refused(write(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a.jpg"), "as no known image does")


class TestSizes:
    def test_images_of_too_many_pixels_are_refused_before_they_are_decoded(self, write, monkeypatch):
        side = 30_000
        monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
        header = png(np.zeros((1, 1)), 8)
        large = header[:16] + struct.pack(">II", side, side) + header[24:29] + struct.pack(">I", 0) + header[33:]
        jpeg = encoded(np.zeros((8, 8, 3), np.uint8), "JPEG")
        place = jpeg.find(b"\xff\xc0") + 5
        for data in (large, jpeg[:place] + struct.pack(">HH", side, side) + jpeg[place + 4 :]):
            with pytest.raises(UnreadableImageError, match=f"30000x30000 pixels, up to {MAX_PIXELS}"):
                load_image(write(data))

    def test_other_kinds_say_the_same(self, write):
        bmp = bytearray(encoded(np.zeros((8, 8, 3), np.uint8), "BMP"))
        bmp[18:26] = struct.pack("<ii", 30_000, 30_000)
        gif = bytearray(encoded(Image.new("P", (8, 8)), "GIF"))
        gif[6:10] = struct.pack("<HH", 60_000, 60_000)
        for data in (bmp, gif):
            with pytest.raises(UnreadableImageError, match=r"cannot be decoded.*pixels"):
                load_image(write(bytes(data)))

    def test_an_image_as_large_as_is_allowed_is_no_fault(self, write):
        assert load_image(write(encoded(Image.new("1", (20_000, 100)), "PNG"))).shape == (100, 20_000, 3)


def test_the_first_of_several_pictures_is_taken_with_a_warning(write):
    pages = [Image.fromarray(scene(seed=n)) for n in range(3)]
    for kind in ("TIFF", "GIF", "WEBP", "PNG"):
        data = encoded(pages[0], kind, save_all=True, append_images=pages[1:])
        with pytest.warns(UserWarning, match="holds 3 pictures; only the first is taken"):
            assert load_image(write(data, kind)).shape == (48, 64, 3)
