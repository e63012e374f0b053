import numpy as np
import pytest
from PIL import Image

from aemm.formats import UnreadableImageError
from aemm.formats.png import read_indices
from aemm.formats.voc import split_instances
from tests.drawn_files import encoded, png


def _numbers(most, size=(12, 40)):
    """Blocks of 0, 1, ... up to `most`, as many as there is room for."""
    return (np.arange(size[1]) // 2 * np.ones((size[0], 1), int)).clip(0, most)


@pytest.fixture
def write(tmp_path):
    def write(data):
        (tmp_path / "mask.png").write_bytes(data)
        return str(tmp_path / "mask.png")

    return write


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_grey_masks_of_every_depth_keep_their_numbers(write, depth):
    numbers = _numbers(2**depth - 1)
    found = read_indices(write(png(numbers, depth)))
    assert found.dtype == (np.uint16 if depth == 16 else np.uint8)
    np.testing.assert_array_equal(found, numbers)
    assert len(split_instances(found).masks) == numbers.max()


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_palette_masks_of_every_depth_keep_their_numbers(write, depth):
    numbers = _numbers(2**depth - 1)
    image = Image.fromarray(numbers.astype(np.uint8), mode="P")
    image.putpalette(np.random.default_rng(0).integers(0, 256, 3 * 2**depth).tolist())
    np.testing.assert_array_equal(read_indices(write(encoded(image, "PNG", bits=depth))), numbers)


def test_more_than_254_instances_are_kept_in_16_bits(write):
    numbers = np.arange(600).reshape(20, 30)
    assert len(split_instances(read_indices(write(png(numbers, 16)))).masks) == 598  # 0 is background, 255 void
    numbers[0, 1] = 65535
    found = split_instances(read_indices(write(png(numbers, 16))))
    assert found.void.sum() == 1
    assert len(found.masks) == 598  # 1 became void, 255 an instance


def test_sixteen_bits_can_hold_void_and_classes_as_eight_do(write):
    numbers = _numbers(3)
    numbers[0] = 255
    found = split_instances(read_indices(write(png(numbers, 16))), read_indices(write(png(numbers.clip(0, 255), 8))))
    assert found.void[0].all()
    assert found.labels.tolist() == [0, 1, 2]


def test_depths_are_not_taken_for_instances():
    with pytest.raises(ValueError, match="holds 9999 different numbers from 1 to 10000, expected at most 2000"):
        split_instances(np.arange(10_001, dtype=np.uint16).reshape(73, 137))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (encoded(np.zeros((4, 4, 3), np.uint8), "PNG"), "stores RGB colours"),
        (encoded(np.zeros((4, 4, 4), np.uint8), "PNG"), "stores RGBA colours"),
        (encoded(np.zeros((4, 4), np.uint8), "GIF"), "is no PNG"),
        (png(_numbers(9), 8)[:-30], "cannot be decoded"),
        (b"", "is empty"),
    ],
)
def test_files_that_hold_no_numbers_are_refused(write, data, message):
    with pytest.raises(UnreadableImageError, match=message):
        read_indices(write(data))
