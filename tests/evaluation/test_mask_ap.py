import numpy as np
import pytest

from aemm.evaluation.functional.mask_ap import FoundMasks, TrueMasks, average_precision, mask_ap, overlaps, shares
from aemm.ops.masks import encode_mask, encode_masks
from tests.golden import meta_of


def _golden_images(file, kind):
    """Run lengths and labels of every image of a golden file."""
    meta = meta_of(file)
    shape = (meta["height"], meta["width"])
    count = file[f"{kind}_count"]
    total = int(count.sum())
    masks = np.unpackbits(file[f"{kind}_masks"])[: total * shape[0] * shape[1]].reshape(total, *shape)
    ends = np.cumsum(count)[:-1]
    return [encode_masks(part) for part in np.split(masks, ends)], ends


@pytest.mark.golden
def test_voc_apr_equals_a_published_evaluator(golden):
    file = np.load(golden / "voc_apr.npz")
    masks, ends = _golden_images(file, "gt")
    truth = [TrueMasks(m, y) for m, y in zip(masks, np.split(file["gt_labels"], ends), strict=True)]
    masks, ends = _golden_images(file, "pred")
    rows = zip(masks, np.split(file["pred_labels"], ends), np.split(file["pred_scores"], ends), strict=True)
    found = [FoundMasks(*row) for row in rows]
    expected = {name: file[name] for name in file if name.startswith("ap_")}
    assert expected
    for name, values in expected.items():
        _, percent, form = name.split("_")
        got = mask_ap(found, truth, meta_of(file)["classes"], [int(percent) / 100], form)[0]
        np.testing.assert_allclose(got, values, atol=1e-6, rtol=0, err_msg=name)


def _box(top, left, height, width, size=(20, 20)):
    mask = np.zeros(size, bool)
    mask[top : top + height, left : left + width] = True
    return encode_mask(mask)


def _one(truth, found, scores, levels=(0.5,), **more):
    labels = np.zeros(len(truth), np.int64)
    real = [TrueMasks(truth, labels, **more)]
    return mask_ap([FoundMasks(found, np.zeros(len(found), np.int64), np.array(scores))], real, 1, levels)[:, 0]


def test_average_precision_by_hand():
    hits = np.array([True, False, True, False])
    assert average_precision(hits, 4) == pytest.approx(0.25 * 1 + 0.25 * 2 / 3)
    # the envelope is 1 up to recall 1/4 (0, .1, .2), 2/3 up to 1/2 (.3, .4, .5)
    assert average_precision(hits, 4, "11point") == pytest.approx((3 * 1 + 3 * 2 / 3) / 11)
    assert average_precision(np.zeros(0, bool), 4) == 0
    assert np.isnan(average_precision(np.zeros(0, bool), 0))
    with pytest.raises(ValueError, match="'area' or '11point'"):
        average_precision(hits, 4, "101point")


def test_an_instance_counts_once_and_the_better_score_takes_it():
    truth, double = [_box(0, 0, 10, 10), _box(10, 10, 10, 10)], [_box(0, 0, 10, 10), _box(0, 0, 10, 9)]
    assert _one(truth, double, [0.9, 0.8]) == pytest.approx(0.5)
    assert _one(truth, double[::-1], [0.9, 0.8]) == pytest.approx(0.5)
    assert _one(truth, [*double, truth[1]], [0.9, 0.8, 0.7]) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_iou_equal_to_the_threshold_is_enough():
    assert _one([_box(0, 0, 10, 10)], [_box(0, 0, 10, 7)], [1.0], (0.7, 0.71)).tolist() == [1, 0]


def test_classes_are_kept_apart_and_absent_ones_are_nan():
    truth = [TrueMasks([_box(0, 0, 10, 10)], np.array([1]))]
    found = [FoundMasks([_box(0, 0, 10, 10)] * 2, np.array([0, 1]), np.array([1.0, 0.5]))]
    table = mask_ap(found, truth, 3, [0.5])[0]
    assert table[1] == 1
    assert np.isnan(table[[0, 2]]).all()


def test_ignored_regions_need_not_be_found_and_swallow_what_lies_in_them():
    truth, ignore = [_box(0, 0, 10, 10), _box(10, 0, 10, 20)], np.array([False, True])
    assert _one(truth, truth[:1], [0.5], ignore=ignore) == 1
    inside = [_box(12, 2, 5, 5), truth[0]]
    assert _one(truth, inside, [0.9, 0.5], ignore=ignore) == 1
    assert _one(truth[:1], inside, [0.9, 0.5]) == pytest.approx(0.5)


def test_void_pixels_are_left_out_only_when_given():
    truth, wide = [_box(0, 0, 10, 10)], [_box(0, 0, 10, 18)]
    assert _one(truth, wide, [1.0], (0.6,)) == 0
    assert _one(truth, wide, [1.0], (1.0,), void=_box(0, 10, 20, 10)) == 1
    partly = _one(truth, wide, [1.0], (10 / 14, 0.72), void=_box(0, 10, 20, 4))  # 18 - 4 columns are left
    assert partly.tolist() == [1, 0]


def test_overlaps_equal_those_of_the_pixels():
    rng = np.random.default_rng(0)
    a, b, void = (rng.random((n, 23, 31)) < 0.4 for n in (4, 3, 1))
    x, y = encode_masks(a), encode_masks(b)
    both = (a[:, None] & b).sum((2, 3))
    np.testing.assert_allclose(overlaps(x, y), both / (a[:, None] | b).sum((2, 3)))
    np.testing.assert_allclose(shares(x, y), both / a.sum((1, 2))[:, None])
    a, b = a & ~void, b & ~void
    expected = (a[:, None] & b).sum((2, 3)) / (a[:, None] | b).sum((2, 3))
    np.testing.assert_allclose(overlaps(x, y, encode_masks(void)[0]), expected)
    for function in (overlaps, shares):
        assert function([], y).shape == (0, 3)
        assert function(x, []).shape == (4, 0)


def test_no_images_and_no_predictions():
    assert np.isnan(mask_ap([], [], 2, [0.5, 0.7])).all()
    assert _one([_box(0, 0, 5, 5)], [], []) == 0
    with pytest.raises(ValueError, match="the same images, got 0 and 1"):
        mask_ap([], [TrueMasks([], np.zeros(0, int))], 1)
