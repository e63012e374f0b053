import numpy as np

from aemm.ops.masks import encode_masks
from aemm.structures import Instances
from aemm.visualization import draw_masks, draw_result


def _masks():
    masks = np.zeros((2, 40, 50), bool)
    masks[0, 5:20, 5:25] = masks[1, 18:35, 20:45] = True
    return masks


def test_run_lengths_are_drawn_as_their_pixels():
    image, masks = np.full((40, 50, 3), 100, np.uint8), _masks()
    picture = draw_masks(image, encode_masks(masks))
    np.testing.assert_array_equal(picture, draw_masks(image, masks))
    assert (picture[10, 10] != picture[30, 40]).any()
    assert (picture[38:, :10] == 100).all()


def test_small_images_are_enlarged_with_their_masks():
    image, masks = np.full((40, 50, 3), 100, np.uint8), _masks()
    found = Instances(1, (40, 50), np.ones(2), masks=encode_masks(masks), labels=np.array([0, 1]))
    picture = draw_result(image, found, min_side=100)
    assert picture.shape == (80, 100, 3)
    assert (picture[20, 20] != 100).any()
    assert (picture[76:, :20] == 100).all()
