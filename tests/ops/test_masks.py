import numpy as np
import pytest
from pycocotools import mask as rle

from aemm.ops.masks import (
    decode_masks,
    encode_mask,
    encode_masks,
    mask_areas,
    mask_iou,
    mask_nms,
    merge_proposals,
)
from aemm.ops.run_lengths import encode_parts
from aemm.structures import Instances


def _masks(count=6, seed=0, size=(23, 31)):
    return np.random.default_rng(seed).random((count, *size)) < 0.4


def test_run_lengths_keep_every_pixel():
    masks = _masks()
    encoded = encode_masks(masks)
    np.testing.assert_array_equal(decode_masks(encoded, masks.shape[1:]), masks)
    assert mask_areas(encoded).tolist() == masks.sum((1, 2)).tolist()
    assert decode_masks([], (4, 5)).shape == (0, 4, 5)
    assert isinstance(encoded[0]["counts"], str)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_part_is_written_as_the_image_it_lies_in(share):
    rng = np.random.default_rng(0)
    places = [
        (0, 0, 9, 7),
        (0, 2, 9, 3),
        (0, 2, 9, 5),
        (3, 0, 6, 7),
        (2, 1, 4, 3),
        (8, 6, 1, 1),
        (0, 3, 4, 2),
        (5, 5, 0, 0),
    ]
    parts, written = [], []
    for top, left, height, width in places:
        part = rng.random((height, width)) < share
        image = np.zeros((9, 7), np.uint8)
        image[top : top + height, left : left + width] = part
        expected = rle.encode(np.asfortranarray(image))["counts"].decode()
        assert encode_mask(part, (top, left), (9, 7)) == {"size": [9, 7], "counts": expected}
        assert encode_mask(image)["counts"] == expected
        parts.append((part, (top, left)))
        written.append({"size": [9, 7], "counts": expected})
    assert encode_parts(parts, (9, 7)) == written
    assert encode_parts([], (9, 7)) == []


def test_iou_equals_that_of_the_pixels_and_no_masks_give_an_empty_side():
    a, b = _masks(4), _masks(3, 1)
    x, y = encode_masks(a), encode_masks(b)
    expected = (a[:, None] & b).sum((2, 3)) / (a[:, None] | b).sum((2, 3))
    np.testing.assert_allclose(mask_iou(x, y), expected)
    assert mask_iou([], y).shape == (0, 3)
    assert mask_iou(x, []).shape == (4, 0)


def _view(boxes, scores, labels, size=(20, 20), image_id=1):
    masks = np.zeros((len(boxes), *size), bool)
    for mask, (top, left, side) in zip(masks, boxes, strict=True):
        mask[top : top + side, left : left + side] = True
    return Instances(image_id, size, np.array(scores), masks=encode_masks(masks), labels=np.array(labels))


def test_a_mask_removes_worse_ones_of_its_class_that_overlap_it():
    view = _view([(0, 0, 10), (0, 0, 9), (0, 0, 10), (10, 10, 5)], [0.5, 0.9, 0.8, 0.1], [0, 0, 1, 0])
    assert mask_nms(view.masks, view.scores, view.labels).tolist() == [1, 2, 3]
    assert mask_nms(view.masks, view.scores).tolist() == [1, 3]
    assert mask_nms(view.masks, view.scores, view.labels, threshold=0.9).tolist() == [1, 2, 0, 3]


def test_a_removed_mask_removes_nothing():
    view = _view([(0, 0, 10), (0, 3, 10), (0, 6, 10)], [0.9, 0.8, 0.7], [0, 0, 0])
    assert mask_nms(view.masks, view.scores, view.labels, threshold=0.5).tolist() == [0, 2]


def test_proposals_of_scales_are_merged_best_first():
    small = _view([(0, 0, 10), (12, 12, 4)], [0.6, 0.9], [0, 1])
    large = _view([(0, 0, 9), (10, 0, 6)], [0.7, 0.2], [0, 0])
    merged = merge_proposals([small, large])
    assert merged.scores.tolist() == [0.9, 0.7, 0.2]
    assert merged.labels.tolist() == [1, 0, 0]
    assert merged.masks[1] == large.masks[0]
    assert len(merge_proposals([small, large], max_instances=1)) == 1
    assert len(merge_proposals([small[:0], large[:0]])) == 0


def test_views_of_different_images_are_refused():
    with pytest.raises(ValueError, match="one image"):
        merge_proposals([_view([], [], []), _view([], [], [], image_id=2)])
    with pytest.raises(ValueError, match="at least one"):
        merge_proposals([])
    with pytest.raises(ValueError, match="masks and labels"):
        merge_proposals([Instances(1, (2, 2), np.zeros(0))])


def test_rows_of_instances_take_their_masks_along():
    view = _view([(0, 0, 10), (12, 12, 4), (1, 1, 3)], [0.6, 0.9, 0.5], [0, 1, 0])
    for rows in (np.array([2, 0]), np.array([True, False, True]), slice(1, 3)):
        part = view[rows]
        assert part.masks == [view.masks[i] for i in np.arange(3)[rows]]
        assert len(part.labels) == len(part)
