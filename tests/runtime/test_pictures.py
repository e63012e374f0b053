from contextlib import nullcontext

import cv2
import numpy as np
import pytest
from PIL import Image

from aemm.formats import UnreadableImageError, load_image
from aemm.runtime import DeployedModelError
from aemm.runtime.pictures import find_pictures, read_picture
from tests.drawn_files import jpeg_with_preview

COLORS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
ALPHA = np.linspace(0, 255, 54).reshape(6, 9).astype(np.uint8)
KINDS = {
    "colours": COLORS,
    "grey": COLORS[..., 0],
    "16 bits": COLORS.astype(np.uint16) * 257,
    "12 of 16 bits": COLORS[..., 0].astype(np.uint16) * 16,
    "alpha": np.dstack([COLORS, ALPHA]),
    "alpha in 16 bits": np.dstack([COLORS, ALPHA]).astype(np.uint16) * 257,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:image")
def test_images_are_what_the_inferencer_sees(tmp_path, kind):
    path = str(tmp_path / "a.png")
    cv2.imwrite(path, KINDS[kind])
    np.testing.assert_array_equal(read_picture(path), load_image(path))


CLEAR = [
    ("P", {}),
    ("P", {"transparency": 3}),
    ("P", {"transparency": bytes(range(256))}),
    ("RGB", {"transparency": tuple(COLORS[0, 0].tolist())}),
]


@pytest.mark.parametrize(("mode", "declared"), CLEAR)
def test_palettes_and_colours_may_be_declared_transparent(tmp_path, mode, declared):
    path = str(tmp_path / "a.png")
    Image.fromarray(COLORS).convert(mode).save(path, **declared)
    np.testing.assert_array_equal(read_picture(path), load_image(path))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("pixels", [COLORS, KINDS["alpha"]], ids=["colours", "alpha"])
@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
def test_images_are_turned_as_exif_says(tmp_path, orientation, pixels, ending):
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = orientation
    path = str(tmp_path / f"a.{ending}")
    image.save(path, exif=exif, **({"lossless": True} if ending == "webp" else {}))
    np.testing.assert_allclose(read_picture(path), load_image(path), atol=1 if ending == "tif" else 0)


def test_what_is_no_image_is_named(tmp_path):
    for name, data in {"empty.jpg": b"", "page.jpg": b"<html>"}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DeployedModelError, match=rf"{name}: OpenCV cannot read an image from it"):
            read_picture(tmp_path / name)
    cv2.imwrite(str(tmp_path / "range.tif"), COLORS.astype(np.float32) * 100)
    with pytest.raises(DeployedModelError, match=r"range\.tif"):
        read_picture(tmp_path / "range.tif")


def test_a_folder_without_images_is_named(tmp_path):
    (tmp_path / "note.txt").write_text("none")
    with pytest.raises(DeployedModelError, match="the folder holds no image"):
        find_pictures([str(tmp_path)])


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_files_that_are_cut_off_are_named_and_whole_ones_are_read(tmp_path, ending):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = cv2.imencode(ending, noise)[1].tobytes()
    (tmp_path / f"cut{ending}").write_bytes(data[: len(data) // 2])
    with pytest.raises(DeployedModelError, match=rf"cut\{ending}: it is cut off"):
        read_picture(tmp_path / f"cut{ending}")
    with pytest.raises(UnreadableImageError):
        load_image(str(tmp_path / f"cut{ending}"))
    (tmp_path / f"whole{ending}").write_bytes(data + b"what a camera writes behind it \xff\xda\xff")
    np.testing.assert_array_equal(
        read_picture(tmp_path / f"whole{ending}"), load_image(str(tmp_path / f"whole{ending}"))
    )


@pytest.mark.parametrize("cut", [False, True])
def test_the_end_of_a_preview_is_not_that_of_the_picture(tmp_path, cut):
    data = jpeg_with_preview(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    (tmp_path / "a.jpg").write_bytes(data[: len(data) - 40] if cut else data)
    with pytest.raises(DeployedModelError, match="it is cut off") if cut else nullcontext():
        read_picture(tmp_path / "a.jpg")


def test_what_is_far_longer_than_wide_is_named(tmp_path):
    cv2.imwrite(str(tmp_path / "long.png"), np.zeros((2, 81, 3), np.uint8))
    with pytest.raises(DeployedModelError, match=r"long\.png has 81x2 pixels; one up to 40 times as long as wide"):
        read_picture(tmp_path / "long.png")


def test_hidden_files_are_passed_over_and_each_file_is_taken_once(tmp_path):
    for name in ("b.PNG", "a.jpg", "._a.jpg", ".trash/c.png", "folder.png/d.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_pictures([str(tmp_path / "b.PNG"), str(tmp_path)])
    assert [str(path.relative_to(tmp_path)) for path in found] == ["b.PNG", "a.jpg", "folder.png/d.webp"]
