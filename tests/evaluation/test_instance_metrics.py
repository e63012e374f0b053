import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from mmengine.logging import MMLogger

from aemm.evaluation import CocoInstanceMetric, VocInstanceMetric
from aemm.evaluation.functional.coco import mask_dicts
from aemm.formats.coco import write_results
from aemm.ops.masks import decode_masks, encode_mask, encode_masks, mask_areas
from aemm.records import DatasetInfo, Truth
from aemm.structures import Instances
from tests.pairs import batch_with, measured

SIZE = (120, 160)
CATEGORIES = (11, 3, 7)
INFO = DatasetInfo("drawn", None, ("cat", "dog", "cow"), CATEGORIES)


def _blob(rng):
    mask = np.zeros(SIZE, bool)
    height, width = rng.integers(5, 80, 2)
    top, left = rng.integers(0, SIZE[0] - 5), rng.integers(0, SIZE[1] - 5)
    mask[top : top + height, left : left + width] = True
    return mask


def _truth(images=8, seed=0, ids=int):
    """Boxes of three classes and all sizes, every ninth a crowd, and an image without anything."""
    rng = np.random.default_rng(seed)
    truths, key = [], 0
    for image in range(images):
        masks, labels, crowd = [], [], []
        for _ in range(rng.integers(1, 6) if image < images - 1 else 0):
            key += 1
            masks.append(encode_mask(_blob(rng)))
            labels.append(int(rng.integers(3)))
            crowd.append(key % 9 == 0)
        labels, crowd = np.array(labels, int), np.array(crowd, bool)
        truths.append(Truth(ids(image), SIZE, masks=masks, labels=labels, crowd=crowd))
    return truths


def _predictions(truths, seed=1, shift=4, drop=0.2, stray=0.5):
    """The truth moved a little, some instances missing, some invented."""
    rng = np.random.default_rng(seed)
    found = []
    for truth in truths:
        rows = [n for n in range(len(truth)) if rng.random() >= drop]
        masks = decode_masks([truth.masks[n] for n in rows], SIZE)
        moves = rng.integers(-shift, shift + 1, (len(rows), 2)).tolist()
        masks = [np.roll(mask, move, (0, 1)) for mask, move in zip(masks, moves, strict=True)]
        labels = [int(truth.labels[n]) for n in rows]
        if rng.random() < stray:
            masks, labels = [*masks, _blob(rng)], [*labels, int(rng.integers(3))]
        scores = rng.uniform(0.1, 1, len(masks)).astype(np.float32)
        encoded = [encode_mask(mask) for mask in masks]
        found.append(Instances(truth.image_id, SIZE, scores, masks=encoded, labels=np.array(labels, int)))
    return found


def _evaluate(metric, truths, found):
    known = {truth.image_id: truth for truth in truths}
    return measured(metric, INFO, [(known[f.image_id], f) for f in found])


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
    for metric in (CocoInstanceMetric, VocInstanceMetric):
        assert _evaluate(metric(), truth, found[1:]) == _evaluate(metric(), truth[1:], found[1:])


def test_thresholds_name_the_results_and_small_instances_may_be_missing():
    truth = _truth()
    stats = _evaluate(VocInstanceMetric(thresholds=[0.25, 0.75]), truth, _predictions(truth))
    assert list(stats) == ["voc/apr_25", "voc/apr_75", "voc/apr_vol"]
    assert stats["voc/apr_25"] > stats["voc/apr_75"]
    areas = {m["counts"]: area for t in truth for m, area in zip(t.masks, mask_areas(t.masks), strict=True)}
    perfect = _predictions(truth, shift=0, drop=0, stray=0)
    large = [f[np.array([areas[m["counts"]] >= 500 for m in f.masks], bool)] for f in perfect]
    assert _evaluate(VocInstanceMetric(), truth, large)["voc/apr_50"] < 1
    assert _evaluate(VocInstanceMetric(min_area=500), truth, large)["voc/apr_50"] == 1
    assert _evaluate(VocInstanceMetric(min_area=500), truth, perfect)["voc/apr_50"] == 1


def test_void_pixels_of_the_data_set_are_excluded_on_request():
    mask, wide, void = (np.zeros(SIZE, bool) for _ in range(3))
    mask[:50, :50], wide[:50, :90], void[:50, 50:] = True, True, True
    truth = [Truth(0, SIZE, masks=[encode_mask(mask)], labels=np.array([1]), void=encode_mask(void))]
    found = [Instances(0, SIZE, np.ones(1), masks=encode_masks(wide[None]), labels=np.array([1]))]
    assert _evaluate(VocInstanceMetric(thresholds=[0.7]), truth, found)["voc/apr_70"] == 0
    assert _evaluate(VocInstanceMetric(thresholds=[0.7], void="exclude"), truth, found)["voc/apr_70"] == 1


def test_written_masks_are_read_by_other_evaluators(tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = _truth()
    found = _predictions(truth)
    expected = _evaluate(CocoInstanceMetric(), truth, found)
    path = tmp_path / "new" / "masks.json"
    numbered = [replace(f, image_id=f.image_id + 1) for f in found]  # as the dict of the evaluators counts images
    write_results(path, numbered, DatasetInfo("drawn", None, INFO.classes, (1, 2, 3)))
    coco = COCO()
    coco.dataset = mask_dicts(list(zip(truth, found, strict=True)), INFO)[0]
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes(json.loads(path.read_text())), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(expected["segm/AP"], abs=1e-9)


def test_written_masks_carry_the_categories_of_the_set(tmp_path):
    found = _predictions(_truth())
    write_results(tmp_path / "masks.json", found, INFO)
    rows = json.loads((tmp_path / "masks.json").read_text())
    assert [row["category_id"] for row in rows] == [CATEGORIES[label] for f in found for label in f.labels]
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.2"):
        write_results(tmp_path / "masks.json", [replace(found[0], labels=found[0].labels + 3)], INFO)


@pytest.mark.parametrize("metric", [CocoInstanceMetric, VocInstanceMetric])
def test_what_is_missing_or_does_not_fit_is_explained(metric):
    truth = _truth()
    found = _predictions(truth)
    one = metric()
    one.dataset_meta = INFO
    with pytest.raises(ValueError, match="the decoder returned none"):
        one.process(batch_with(truth[:1]), [Instances(1, (2, 2), np.zeros(1))])
    with pytest.raises(ValueError, match="test_mode=True"):
        one.process(replace(batch_with(truth), truths=[]), found)
    one.dataset_meta = DatasetInfo("people")
    with pytest.raises(ValueError, match="people has none"):
        one.process(batch_with(truth), found)
    found[0].labels = found[0].labels + 3
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.2"):
        _evaluate(metric(), truth, found)


@pytest.mark.parametrize("wrong", [dict(form="13point"), dict(void="ignore"), dict(thresholds=[50])])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        VocInstanceMetric(**wrong)
