import json
import logging

import numpy as np
import pytest
from mmengine.logging import MMLogger
from pycocotools import mask as rle

from aemm.evaluation import CocoInstanceMetric, VocInstanceMetric
from aemm.ops.masks import decode_masks, encode_mask, encode_masks
from aemm.structures import Instances

SIZE = (120, 160)
CLASSES = ["cat", "dog", "cow"]
CATEGORIES = [11, 3, 7]


def _blob(rng):
    mask = np.zeros(SIZE, bool)
    height, width = rng.integers(5, 80, 2)
    top, left = rng.integers(0, SIZE[0] - 5), rng.integers(0, SIZE[1] - 5)
    mask[top : top + height, left : left + width] = True
    return mask


def _truth(images=8, seed=0, ids=int):
    """Boxes of three classes and all sizes, every ninth a crowd, and an image without anything."""
    rng = np.random.default_rng(seed)
    annotations = []
    for image in range(images - 1):
        for _ in range(rng.integers(1, 6)):
            mask = _blob(rng)
            key = len(annotations) + 1
            encoded = encode_mask(mask)
            annotations.append(
                dict(
                    id=key,
                    image_id=ids(image),
                    category_id=CATEGORIES[rng.integers(3)],
                    segmentation=encoded,
                    area=float(mask.sum()),
                    bbox=rle.toBbox(encoded).tolist(),
                    iscrowd=int(key % 9 == 0),
                )
            )
    return dict(
        images=[dict(id=ids(i), file_name=f"{i}.png", height=SIZE[0], width=SIZE[1]) for i in range(images)],
        annotations=annotations,
        categories=[dict(id=key, name=name) for key, name in zip(CATEGORIES, CLASSES, strict=True)],
    )


def _predictions(truth, seed=1, shift=4, drop=0.2, stray=0.5):
    """The ground truth moved a little, some instances missing, some invented."""
    rng = np.random.default_rng(seed)
    found = []
    for image in truth["images"]:
        rows = [a for a in truth["annotations"] if a["image_id"] == image["id"] and rng.random() >= drop]
        masks = decode_masks([a["segmentation"] for a in rows], SIZE)
        moves = rng.integers(-shift, shift + 1, (len(rows), 2)).tolist()
        masks = [np.roll(mask, move, (0, 1)) for mask, move in zip(masks, moves, strict=True)]
        labels = [CATEGORIES.index(a["category_id"]) for a in rows]
        if rng.random() < stray:
            masks, labels = [*masks, _blob(rng)], [*labels, int(rng.integers(3))]
        scores = rng.uniform(0.1, 1, len(masks)).astype(np.float32)
        found.append(
            Instances(image["id"], SIZE, scores, masks=[encode_mask(m) for m in masks], labels=np.array(labels, int))
        )
    return found


def _evaluate(metric, truth, found):
    metric.dataset_meta = dict(classes=CLASSES, category_ids=CATEGORIES, annotations=truth)
    metric.process(None, found)
    return metric.evaluate(len(found))


@pytest.mark.parametrize("seed", range(3))
def test_hotcoco_and_pycocotools_agree_on_masks(seed):
    truth = _truth(seed=seed)
    found = _predictions(truth, seed)
    expected = _evaluate(CocoInstanceMetric(backend="pycocotools"), truth, found)
    assert 0 < expected["segm/AP"] < 1
    assert len(expected) == 12
    for name, value in _evaluate(CocoInstanceMetric(backend="hotcoco"), truth, found).items():
        assert value == pytest.approx(expected[name], abs=1e-9), name


def test_perfect_masks_score_one_by_both_metrics():
    truth = _truth()
    perfect = _predictions(truth, shift=0, drop=0, stray=0)
    assert _evaluate(CocoInstanceMetric(), truth, perfect)["segm/AP"] == pytest.approx(1)
    stats = _evaluate(VocInstanceMetric(), truth, perfect)
    assert stats == {"voc/apr_50": 1, "voc/apr_70": 1, "voc/apr_vol": 1}


@pytest.mark.parametrize("metric", [CocoInstanceMetric, VocInstanceMetric])
def test_nothing_found_is_zero_with_a_warning(metric, caplog):
    truth = _truth()
    empty = [found[:0] for found in _predictions(truth)]
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        stats = _evaluate(metric(), truth, empty)
    logger.removeHandler(caplog.handler)
    assert set(stats.values()) == {0.0}
    assert "no instance was found in any of the 8 images" in caplog.text


@pytest.mark.parametrize("metric", [CocoInstanceMetric, VocInstanceMetric])
def test_ids_may_be_strings_and_an_image_that_comes_twice_counts_once(metric):
    expected = _evaluate(metric(), _truth(), _predictions(_truth()))
    named = _truth(ids="frame {}".format)
    found = _predictions(named)
    assert _evaluate(metric(), named, [*found, found[0]]) == expected


def test_images_not_seen_do_not_count():
    truth = _truth()
    found = _predictions(truth)
    part = truth | dict(annotations=[a for a in truth["annotations"] if a["image_id"]], images=truth["images"][1:])
    for metric in (CocoInstanceMetric, VocInstanceMetric):
        assert _evaluate(metric(), truth, found[1:]) == _evaluate(metric(), part, found[1:])


def test_classes_of_the_file_that_are_not_evaluated_are_left_out():
    truth = _truth()
    found = [f[f.labels == 1] for f in _predictions(truth)]
    for metric in (CocoInstanceMetric, VocInstanceMetric):
        one = metric()
        one.dataset_meta = dict(classes=["dog"], category_ids=[3], annotations=truth)
        one.process(None, [Instances(f.image_id, SIZE, f.scores, masks=f.masks, labels=f.labels * 0) for f in found])
        few = truth | dict(annotations=[a for a in truth["annotations"] if a["category_id"] == 3])
        assert one.evaluate(len(found)) == pytest.approx(_evaluate(metric(), few, found), nan_ok=True)


def test_polygons_and_plain_run_lengths_are_read_like_compressed_ones():
    truth = _truth(3)
    found = _predictions(truth)
    expected = [_evaluate(metric(), truth, found) for metric in (CocoInstanceMetric, VocInstanceMetric)]
    for n, a in enumerate(truth["annotations"]):
        x, y, w, h = a["bbox"]
        flat = decode_masks([a["segmentation"]], SIZE)[0].T.ravel()
        edges = np.flatnonzero(np.diff(flat, prepend=False))
        counts = np.diff(edges, prepend=0, append=flat.size).tolist()
        boxes = [[x, y, x + w, y, x + w, y + h, x, y + h]]
        a["segmentation"] = boxes if n % 2 else dict(size=list(SIZE), counts=counts)
    assert [_evaluate(metric(), truth, found) for metric in (CocoInstanceMetric, VocInstanceMetric)] == expected


def test_thresholds_name_the_results_and_small_instances_may_be_missing():
    truth = _truth()
    stats = _evaluate(VocInstanceMetric(thresholds=[0.25, 0.75]), truth, _predictions(truth))
    assert list(stats) == ["voc/apr_25", "voc/apr_75", "voc/apr_vol"]
    assert stats["voc/apr_25"] > stats["voc/apr_75"]
    areas = {a["segmentation"]["counts"]: a["area"] for a in truth["annotations"]}
    perfect = _predictions(truth, shift=0, drop=0, stray=0)
    large = [f[np.array([areas[m["counts"]] >= 500 for m in f.masks], bool)] for f in perfect]
    assert _evaluate(VocInstanceMetric(), truth, large)["voc/apr_50"] < 1
    assert _evaluate(VocInstanceMetric(min_area=500), truth, large)["voc/apr_50"] == 1
    assert _evaluate(VocInstanceMetric(min_area=500), truth, perfect)["voc/apr_50"] == 1


def test_void_pixels_of_the_data_set_are_excluded_on_request():
    mask, wide, void = (np.zeros(SIZE, bool) for _ in range(3))
    mask[:50, :50], wide[:50, :90], void[:50, 50:] = True, True, True
    truth = _truth(1) | dict(
        annotations=[dict(id=1, image_id=0, category_id=3, segmentation=encode_mask(mask), area=2500.0)]
    )
    truth["images"][0]["void"] = encode_mask(void)
    found = [Instances(0, SIZE, np.ones(1), masks=encode_masks(wide[None]), labels=np.array([1]))]
    assert _evaluate(VocInstanceMetric(thresholds=[0.7]), truth, found)["voc/apr_70"] == 0
    assert _evaluate(VocInstanceMetric(thresholds=[0.7], void="exclude"), truth, found)["voc/apr_70"] == 1


def test_dump_is_a_result_file_that_other_evaluators_read(tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = _truth()
    found = _predictions(truth)
    path = tmp_path / "new" / "masks.json"
    expected = _evaluate(CocoInstanceMetric(dump=str(path)), truth, found)
    coco = COCO()
    coco.dataset = truth
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes(json.loads(path.read_text())), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(expected["segm/AP"], abs=1e-9)


def test_both_metrics_write_the_same_predictions(tmp_path):
    truth = _truth()
    found = _predictions(truth)
    written = []
    for metric in (CocoInstanceMetric, VocInstanceMetric):
        path = tmp_path / f"{metric.__name__}.json"
        _evaluate(metric(dump=str(path)), truth, found)
        written.append(json.loads(path.read_text()))
        with pytest.raises(ValueError, match=r"must name a \.json file, got 'masks\.pkl'"):
            metric(dump="masks.pkl")
    assert written[0] == written[1]
    assert len(written[0]) == sum(len(f) for f in found) > 0


@pytest.mark.parametrize("metric", [CocoInstanceMetric, VocInstanceMetric])
def test_what_is_missing_or_does_not_fit_is_explained(metric):
    truth = _truth()
    found = _predictions(truth)
    with pytest.raises(ValueError, match="the decoder returned none"):
        metric().process(None, [Instances(1, (2, 2), np.zeros(1))])
    one = metric()
    one.process(None, found)
    with pytest.raises(ValueError, match="no 'classes'"):
        one.evaluate(len(found))
    one = metric()
    one.dataset_meta = dict(classes=CLASSES, category_ids=CATEGORIES)
    one.process(None, found)
    with pytest.raises(ValueError, match="test_mode=True"):
        one.evaluate(len(found))
    found[0].labels = found[0].labels + 3
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.2"):
        _evaluate(metric(), truth, found)
    with pytest.raises(ValueError, match="'nobody'"):
        _evaluate(metric(), truth, [Instances("nobody", (2, 2), np.zeros(0), masks=[], labels=np.zeros(0, int))])


@pytest.mark.parametrize("wrong", [dict(form="13point"), dict(void="ignore"), dict(thresholds=[50])])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        VocInstanceMetric(**wrong)
