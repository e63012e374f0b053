import cv2
import numpy as np
import pytest
from PIL import Image

from aemm.formats import load_image
from aemm.runtime import DeployedModelError
from aemm.runtime.pictures import find_pictures, read_picture

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
def test_images_are_turned_as_exif_says(tmp_path, orientation, pixels):
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = orientation
    path = str(tmp_path / "a.png")
    image.save(path, exif=exif)
    np.testing.assert_array_equal(read_picture(path), load_image(path))


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
