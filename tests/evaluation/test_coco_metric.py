import gc
import importlib.util
import json
import logging
from dataclasses import replace

import numpy as np
import pytest

from aemm.evaluation import CocoMetric
from aemm.evaluation.functional.coco import BACKENDS, keypoint_dicts
from aemm.formats.coco import write_results
from aemm.records import DatasetInfo, Truth
from aemm.skeletons import build_skeleton
from aemm.structures import Instances
from tests.pairs import batch_with, measured

SIZE = (400, 400)


def _truth(count=17, images=6, seed=0):
    """Truth with people of all sizes, a crowd and an image without anybody."""
    rng = np.random.default_rng(seed)
    truths, key = [], 0
    for image in range(images):
        points, visible, areas, boxes, crowd = [], [], [], [], []
        for _ in range(rng.integers(1, 5) if image < images - 1 else 0):
            key += 1
            side = rng.uniform(20, 200)
            places = rng.uniform(0, side, (count, 2)) + rng.uniform(0, 200, 2)
            seen = rng.choice([0, 1, 2], count, p=[0.2, 0.2, 0.6])
            points.append(places * (seen > 0)[:, None])
            visible.append(seen)
            areas.append(side**2 * 0.6)
            boxes.append([*places.min(0), *places.max(0)])
            crowd.append(key % 7 == 0)
        truths.append(
            Truth(
                image_id=image,
                image_size=SIZE,
                keypoints=np.array(points).reshape(-1, count, 2),
                visible=np.array(visible, int).reshape(-1, count),
                area=np.array(areas),
                boxes=np.array(boxes).reshape(-1, 4),
                crowd=np.array(crowd, bool),
            )
        )
    return truths


def _predictions(truths, count=17, seed=1, noise=6.0):
    """The truth with noise, some people missing, some invented."""
    rng = np.random.default_rng(seed)
    found = []
    for truth in truths:
        people = [points for points in truth.keypoints if rng.random() < 0.8]
        places = [points + rng.normal(0, noise, (count, 2)) for points in people]
        if rng.random() < 0.5:
            places.append(rng.uniform(0, 400, (count, 2)))
        points = np.array(places, np.float32).reshape(-1, count, 2)
        scores = rng.uniform(0.1, 1, points.shape[:2]).astype(np.float32)
        found.append(Instances(truth.image_id, SIZE, scores.mean(1), keypoints=points, keypoint_scores=scores))
    return found


def _info(count=17):
    sigmas = np.linspace(0.03, 0.1, count).tolist()
    skeleton = build_skeleton(dict(keypoints=[f"k{i}" for i in range(count)], sigmas=sigmas))
    return DatasetInfo("people", skeleton, ("person",), (1,))


def _evaluate(truths, found, count=17, **changes):
    known = {truth.image_id: truth for truth in truths}
    return measured(CocoMetric(**changes), _info(count), [(known[f.image_id], f) for f in found])


@pytest.mark.parametrize("backend", ["pycocotools", "xtcocotools"])
@pytest.mark.parametrize("count", [5, 17])
def test_backends_agree(backend, count):
    if backend == "xtcocotools" and importlib.util.find_spec("xtcocotools") is None:
        pytest.skip("the xtcocotools extra is not built")
    for seed in range(3):
        truth = _truth(count, seed=seed)
        found = _predictions(truth, count)
        expected = _evaluate(truth, found, count, backend="hotcoco")
        assert 0 < expected["coco/AP"] < 1
        other = _evaluate(truth, found, count, backend=backend)
        for name, value in expected.items():
            assert other[name] == pytest.approx(value, abs=1e-9), name


def test_perfect_predictions_score_one_and_none_score_zero_with_a_warning(caplog):
    truth = [replace(t, crowd=np.zeros(len(t), bool)) for t in _truth()]
    assert _evaluate(truth, _predictions(truth, noise=0))["coco/AP"] > 0.3
    perfect = [
        Instances(t.image_id, SIZE, np.ones(len(t)), keypoints=t.keypoints, keypoint_scores=np.ones((len(t), 17)))
        for t in truth
    ]
    assert _evaluate(truth, perfect)["coco/AP"] == pytest.approx(1)
    empty = [f[:0] for f in perfect]
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        stats = _evaluate(truth, empty)
    logger.removeHandler(caplog.handler)
    assert set(stats.values()) == {0.0}
    assert "no instance was found in any of the 6 images" in caplog.text


def test_images_without_prediction_count_and_images_not_seen_do_not():
    truth = _truth()
    found = _predictions(truth, noise=0.1)
    whole = _evaluate(truth, found)
    emptied = [f if i else f[:0] for i, f in enumerate(found)]
    assert _evaluate(truth, emptied)["coco/AR"] < whole["coco/AR"]
    part = [f for f in found if f.image_id != 0]
    assert _evaluate(truth, part) == _evaluate(truth[1:], part)


def test_an_image_that_comes_twice_counts_once():
    truth = _truth()
    found = _predictions(truth)
    assert _evaluate(truth, [*found, found[0]]) == _evaluate(truth, found)


def test_ids_may_be_strings():
    truth = _truth()
    found = _predictions(truth)
    expected = _evaluate(truth, found)
    named = [replace(t, image_id=f"frame-{t.image_id}") for t in truth]
    for f in found:
        f.image_id = f"frame-{f.image_id}"
    assert _evaluate(named, found) == expected


def test_parts_of_a_set_may_repeat_identifiers():
    truth = _truth()
    found = _predictions(truth)
    pairs = list(zip(truth, found, strict=True))
    again = [(replace(t, part="other.json"), f) for t, f in pairs]
    metric = CocoMetric()
    metric.dataset_meta = _info()
    for t, f in [*pairs, *again, *pairs]:
        metric.process(batch_with([t]), [f])
    renamed = [(replace(t, image_id=f"o{t.image_id}"), replace(f, image_id=f"o{f.image_id}")) for t, f in pairs]
    whole = measured(CocoMetric(), _info(), [*pairs, *renamed])
    values = metric.evaluate(3 * len(pairs))
    assert {name: values[name] for name in whole} == whole


def test_sigmas_change_the_score():
    truth = _truth()
    found = _predictions(truth)
    strict = _evaluate(truth, found, sigmas=[0.01] * 17)["coco/AP"]
    assert strict < _evaluate(truth, found)["coco/AP"] < _evaluate(truth, found, sigmas=[0.3] * 17)["coco/AP"]


def test_written_results_are_read_by_other_evaluators(tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = _truth()
    found = _predictions(truth)
    path = tmp_path / "new" / "results.json"
    expected = _evaluate(truth, found)
    numbered = [replace(f, image_id=f.image_id + 1) for f in found]  # as the dict of the evaluators counts images
    write_results(path, numbered, _info())
    rows = json.loads(path.read_text())
    assert sum(map(len, found)) == len(rows)
    assert set(rows[0]) == {"image_id", "category_id", "keypoints", "score"}
    coco = COCO()
    coco.dataset = keypoint_dicts(list(zip(truth, found, strict=True)), _info())[0]
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes(rows), "keypoints")
    evaluation.params.kpt_oks_sigmas = np.linspace(0.03, 0.1, 17)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(expected["coco/AP"], abs=1e-9)


def test_absent_keypoints_are_written_at_the_mean_of_those_present(tmp_path):
    points = np.array([[[10.0, 20.0], [30.0, 40.0], [0.0, 0.0]]])
    found = [Instances(0, SIZE, np.ones(1), keypoints=points, keypoint_scores=np.array([[0.9, 0.5, 0.0]]))]
    write_results(tmp_path / "r.json", found, _info(3))
    row = json.loads((tmp_path / "r.json").read_text())[0]
    assert row["keypoints"] == [10, 20, 0.9, 30, 40, 0.5, 20, 30, 0]


def test_a_set_whose_labels_are_withheld_gives_no_figures_and_says_so(caplog):
    from mmengine.logging import MMLogger

    found = _predictions(_truth())
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    withheld = [Truth(f.image_id, SIZE) for f in found]
    assert measured(CocoMetric(), _info(), zip(withheld, found, strict=True)) == {}
    logger.removeHandler(caplog.handler)
    assert "the labels of all 6 images are withheld" in caplog.text
    with pytest.raises(ValueError, match="1 of 6 images are withheld"):
        measured(CocoMetric(), _info(), zip([withheld[0], *_truth()[1:]], found, strict=True))


def test_a_backend_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(BACKENDS, "xtcocotools", ("no_such_module", "no_such_module", "pip install the thing"))
    with pytest.raises(ImportError, match="pip install the thing"):
        CocoMetric(backend="xtcocotools")
    with pytest.raises(ValueError, match="hotcoco, pycocotools, xtcocotools"):
        CocoMetric(backend="cocoapi")


def test_missing_truth_and_missing_keypoints_are_explained():
    metric = CocoMetric()
    metric.dataset_meta = _info()
    truths = _truth()
    with pytest.raises(ValueError, match="test_mode=True"):
        metric.process(replace(batch_with(truths), truths=[]), _predictions(truths))
    with pytest.raises(ValueError, match="the decoder returned none"):
        metric.process(batch_with(truths[:1]), [Instances(1, (2, 2), np.zeros(1))])
    with pytest.raises(ValueError, match="expected 17 keypoints"):
        metric.process(batch_with(_truth(5)[:1]), _predictions(_truth(5)[:1], 5))
    metric.dataset_meta = dict(skeleton="coco")
    with pytest.raises(ValueError, match="needs the DatasetInfo"):
        metric.process(batch_with(truths), _predictions(truths))
    with pytest.raises(ValueError, match="17 positive numbers"):
        _evaluate(truths, _predictions(truths), sigmas=[0.1])


def test_people_of_all_images_are_listed_as_each_image_lists_them():
    """Crowds, absent keypoints, images without people, and truths that lack boxes or areas."""
    rng, pairs = np.random.default_rng(0), []
    for number, count in enumerate((2, 0, 3, 1)):
        points, scores = (
            rng.uniform(0, 60, (count, 17, 2)),
            rng.uniform(0, 1, (count, 17)) * (rng.random((count, 17)) > 0.3),
        )
        known = dict(area=rng.uniform(1, 9, count), crowd=rng.random(count) > 0.5) if number else {}
        known |= dict(boxes=rng.uniform(0, 9, (count, 4))) if number == 2 else {}
        truth = Truth(number, (64, 80), keypoints=points, visible=rng.integers(0, 3, (count, 17)), **known)
        found = Instances(
            number, (64, 80), scores[:, 0], keypoints=points * (scores > 0)[..., None], keypoint_scores=scores
        )
        pairs.append((truth, found))
    whole, results = keypoint_dicts(pairs, _info())
    assert [image["id"] for image in whole["images"]] == [1, 2, 3, 4]
    at = 0
    for number, (truth, found) in enumerate(pairs, 1):
        (alone, own) = keypoint_dicts([(truth, found)], _info())
        rows = [row for row in whole["annotations"] if row["image_id"] == number]
        assert [{**row, "id": 0, "image_id": 0} for row in rows] == [
            {**row, "id": 0, "image_id": 0} for row in alone["annotations"]
        ]
        assert [row["id"] for row in rows] == list(range(at + 1, at + 1 + len(truth)))
        at += len(truth)
        assert [{**row, "image_id": 0} for row in results if row["image_id"] == number] == [
            {**row, "image_id": 0} for row in own
        ]
        for n, row in enumerate(rows):
            assert list(row["keypoints"])[:2] == truth.keypoints[n, 0].tolist()
            assert row["num_keypoints"] == (truth.visible[n] > 0).sum()
        for n, row in enumerate(own):
            assert list(row["keypoints"]) == found.keypoint_rows()[n]


def test_the_search_for_cycles_goes_on_after_an_evaluation(monkeypatch):
    seen = []
    metric = CocoMetric()
    metric.dataset_meta = _info()
    monkeypatch.setattr(metric, "compute_metrics", lambda results: seen.append(gc.isenabled()) or {})
    metric.evaluate(0)
    assert (seen, gc.isenabled()) == ([False], True)
