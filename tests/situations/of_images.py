"""Situations of images and videos, and of folders of them."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from aemm.apis import Account, read_inputs
from aemm.formats import load_image, picture_name
from aemm.formats.png import read_indices
from aemm.formats.voc import split_instances
from tests.annotations import person_file
from tests.drawn_files import encoded, frame, jpeg_with_preview, png, png_part, scene, write_video
from tests.situations.told import people, situation, told


def _read(*inputs):
    account = Account()
    count = sum(1 for _ in read_inputs([str(one) for one in inputs], account))
    losses = [f"{Path(one.name).name}: {one.reason}" for one in (*account.partial, *account.left_out)]
    return "\n".join([f"{count} images, {account.found} found, {account.read} read, {account.hidden} hidden", *losses])


@situation("a video with a frame that cannot be decoded")
def _(folder):
    path = write_video(folder / "clip.avi")
    data = bytearray(path.read_bytes())
    start = data.find(b"00dc", data.find(b"movi"))
    data[start + 8 : start + 700] = bytes(692)
    path.write_bytes(bytes(data))
    return _read(path)


@situation("a video that was cut off")
def _(folder):
    path = write_video(folder / "clip.avi")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return _read(path)


@situation("a GIF whose frames have no duration, an animated WebP, a TIFF of pages")
def _(folder):
    frames = [Image.fromarray(frame(n)) for n in range(6)]
    settings = dict(save_all=True, append_images=frames[1:])
    frames[0].save(folder / "a.gif", duration=0, **settings)
    frames[0].save(folder / "a.webp", lossless=True, **settings)
    frames[0].save(folder / "a.tif", **settings)
    return " ".join(_read(folder / name).partition(",")[0] for name in ("a.gif", "a.webp", "a.tif"))


def _folder(folder, **files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return _read(folder)


PNG = encoded(scene(), "PNG")


@situation("a folder with an empty image and one that is cut off")
def _(folder):
    return _folder(folder, **{"a.png": PNG, "b.png": PNG[:200], "c.png": b"", "d.png": PNG})


@situation("hidden files among images, as macOS leaves them: `._a.png`")
def _(folder):
    return _folder(folder, **{"a.png": PNG, "._a.png": b"x", ".DS_Store": b"x", "Thumbs.db": b"x"})


@situation("images in folders below, and of other endings: `.jfif`, `.JPG`, none")
def _(folder):
    jpeg = encoded(scene(), "JPEG")
    return _folder(folder, **{"a.jfif": jpeg, "b.JPG": jpeg, "c": jpeg, "x/y/d.png": PNG})


@situation("HEIC, as telephones write it")
def _(folder):
    return _folder(folder, **{"a.png": PNG, "b.heic": b"\0\0\0\x18ftypheic" + bytes(20)})


@situation("images of names that differ in signs alone: `a b.png`, `a_b.png`, `a(b.png`")
def _(folder):
    return f"{len({picture_name(name) for name in ('a b.png', 'a_b.png', 'a(b.png')})} pictures"


@situation("images of identifiers `cam/1`, `cam 1`, `CAM 1`, `cam_1`")
def _(folder):
    return f"{len({picture_name(name).lower() for name in ('cam/1', 'cam 1', 'CAM 1', 'cam_1')})} pictures"


def _load(folder, name, data):
    (folder / name).write_bytes(data)

    def load():
        image = load_image(str(folder / name))
        return f"{image.min()} to {image.max()}"

    return told(load)


def _deep(most, kind=np.uint16):
    return np.linspace(0, most, 48 * 64).reshape(48, 64).astype(kind)


@situation("12 bits in a 16-bit PNG")
def _(folder):
    return _load(folder, "a.png", png(_deep(4000), 16))


@situation("all 16 bits in a PNG")
def _(folder):
    return _load(folder, "a.png", png(_deep(65535), 16))


@situation("a TIFF of floats from 0 to 1")
def _(folder):
    cv2.imwrite(str(folder / "a.tif"), _deep(1, np.float32))
    return _load(folder, "b.tif", (folder / "a.tif").read_bytes())


@situation("a TIFF of floats below 0")
def _(folder):
    cv2.imwrite(str(folder / "a.tif"), _deep(5, np.float32) - 3)
    return _load(folder, "b.tif", (folder / "a.tif").read_bytes())


@situation("grey, palette, CMYK, lossless WebP")
def _(folder):
    image = Image.fromarray(scene())
    kinds = [("a.png", encoded(image.convert("L"), "PNG")), ("b.png", encoded(image.convert("P"), "PNG"))]
    kinds += [("c.jpg", encoded(image.convert("CMYK"), "JPEG")), ("d.webp", encoded(image, "WEBP", lossless=True))]
    means = []
    for name, data in kinds:
        (folder / name).write_bytes(data)
        means.append(abs(load_image(str(folder / name)).mean() - scene().mean()) < 10)
    return f"{sum(means)} of 4 as a viewer shows them"


@situation("transparent pixels")
def _(folder):
    return _load(folder, "a.png", encoded(Image.new("RGBA", (9, 9), (0, 0, 0, 0)), "PNG"))


def _turned(folder, orientation, size, **options):
    data = person_file(1)
    data["images"][0].update(file_name="1.jpg", width=size[1], height=size[0])
    (folder / "1.jpg").write_bytes(jpeg_with_preview(scene((40, 50)), orientation))
    return people(folder, data, **options)


@situation("EXIF orientation 3, which keeps the size")
def _(folder):
    return _turned(folder, 3, (40, 50))


@situation("the same, with `exif='ignore'` or `'apply'`")
def _(folder):
    return _turned(folder, 3, (40, 50), exif="ignore") + _turned(folder, 3, (40, 50), exif="apply")


@situation("EXIF orientation 6, annotated on raw pixels")
def _(folder):
    return _turned(folder, 6, (40, 50))


@situation("EXIF orientation 6, annotated as viewers show it")
def _(folder):
    return _turned(folder, 6, (50, 40))


@situation("`SegmentationObject` of 16 bits with the numbers 0 to 300, of which 255 is void")
def _(folder):
    numbers = np.repeat(np.arange(301), 4).reshape(14, 86)
    (folder / "a.png").write_bytes(png(numbers, 16))
    return f"{len(split_instances(read_indices(str(folder / 'a.png'))).masks)} instances"


@situation("a PNG whose header says 100000 x 100000 pixels")
def _(folder):
    head = png_part(b"IHDR", (100000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0")
    return _load(folder, "a.png", b"\x89PNG\r\n\x1a\n" + head + png_part(b"IDAT", b"") + png_part(b"IEND", b""))
