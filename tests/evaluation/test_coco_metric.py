import importlib.util
import json
import logging

import numpy as np
import pytest

from aemm.evaluation import CocoMetric
from aemm.evaluation.functional.coco import BACKENDS
from aemm.skeletons import build_skeleton
from aemm.structures import Instances


def _truth(count=17, images=6, seed=0):
    """Ground truth with people of all sizes, a crowd and an image without anybody."""
    rng = np.random.default_rng(seed)
    annotations = []
    for image in range(images - 1):
        for _ in range(rng.integers(1, 5)):
            side = rng.uniform(20, 200)
            points = rng.uniform(0, side, (count, 2)) + rng.uniform(0, 200, 2)
            visible = rng.choice([0, 1, 2], count, p=[0.2, 0.2, 0.6])
            key = len(annotations) + 1
            annotations.append(
                dict(
                    id=key,
                    image_id=image,
                    category_id=1,
                    keypoints=np.column_stack([points * (visible > 0)[:, None], visible]).ravel().tolist(),
                    num_keypoints=int((visible > 0).sum()),
                    area=side**2 * 0.6,
                    bbox=[*points.min(0).tolist(), *np.ptp(points, 0).tolist()],
                    iscrowd=int(key % 7 == 0),
                )
            )
    names = [f"k{i}" for i in range(count)]
    return dict(
        images=[dict(id=i, file_name=f"{i}.jpg", width=400, height=400) for i in range(images)],
        annotations=annotations,
        categories=[dict(id=1, name="person", keypoints=names, skeleton=[])],
    )


def _predictions(truth, count=17, seed=1, noise=6.0):
    """The ground truth with noise, some people missing, some invented."""
    rng = np.random.default_rng(seed)
    found = []
    for image in truth["images"]:
        people = [a for a in truth["annotations"] if a["image_id"] == image["id"] and rng.random() < 0.8]
        places = [np.reshape(a["keypoints"], (count, 3))[:, :2] + rng.normal(0, noise, (count, 2)) for a in people]
        if rng.random() < 0.5:
            places.append(rng.uniform(0, 400, (count, 2)))
        points = np.array(places, np.float32).reshape(-1, count, 2)
        scores = rng.uniform(0.1, 1, points.shape[:2]).astype(np.float32)
        found.append(Instances(image["id"], (400, 400), scores.mean(1), keypoints=points, keypoint_scores=scores))
    return found


def _metric(truth, count=17, **changes):
    metric = CocoMetric(**changes)
    names = truth["categories"][0]["keypoints"]
    skeleton = build_skeleton(dict(keypoints=names, sigmas=np.linspace(0.03, 0.1, count).tolist()))
    metric.dataset_meta = dict(skeleton=skeleton.to_dict(), annotations=truth)
    return metric


def _evaluate(truth, found, count=17, **changes):
    metric = _metric(truth, count, **changes)
    metric.process(None, found)
    return metric.evaluate(len(found))


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
    truth = _truth()
    for a in truth["annotations"]:
        a["iscrowd"] = 0
    assert _evaluate(truth, _predictions(truth, noise=0))["coco/AP"] > 0.3
    perfect = [
        Instances(
            i["id"],
            (400, 400),
            np.ones(len(rows)),
            keypoints=np.array(rows).reshape(-1, 17, 3)[..., :2],
            keypoint_scores=np.ones((len(rows), 17)),
        )
        for i in truth["images"]
        for rows in [[a["keypoints"] for a in truth["annotations"] if a["image_id"] == i["id"]]]
    ]
    assert _evaluate(truth, perfect)["coco/AP"] == pytest.approx(1)
    empty = [
        Instances(i["id"], (400, 400), np.zeros(0), keypoints=np.zeros((0, 17, 2)), keypoint_scores=np.zeros((0, 17)))
        for i in truth["images"]
    ]
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
    part_truth = truth | dict(
        images=[i for i in truth["images"] if i["id"] != 0],
        annotations=[a for a in truth["annotations"] if a["image_id"] != 0],
    )
    assert _evaluate(truth, part) == _evaluate(part_truth, part)


def test_an_image_that_comes_twice_counts_once():
    truth = _truth()
    found = _predictions(truth)
    assert _evaluate(truth, [*found, found[0]]) == _evaluate(truth, found)


def test_ids_may_be_strings():
    truth = _truth()
    found = _predictions(truth)
    expected = _evaluate(truth, found)
    for i in truth["images"]:
        i["id"] = f"frame-{i['id']}"
    for a in truth["annotations"]:
        a["image_id"] = f"frame-{a['image_id']}"
    for f in found:
        f.image_id = f"frame-{f.image_id}"
    assert _evaluate(truth, found) == expected


def test_sigmas_change_the_score():
    truth = _truth()
    found = _predictions(truth)
    strict = _evaluate(truth, found, sigmas=[0.01] * 17)["coco/AP"]
    assert strict < _evaluate(truth, found)["coco/AP"] < _evaluate(truth, found, sigmas=[0.3] * 17)["coco/AP"]


def test_dump_is_a_result_file_that_other_evaluators_read(tmp_path):
    truth = _truth()
    found = _predictions(truth)
    path = tmp_path / "new" / "results.json"
    expected = _evaluate(truth, found, dump=str(path))
    rows = json.loads(path.read_text())
    assert sum(map(len, found)) == len(rows)
    assert set(rows[0]) == {"image_id", "category_id", "keypoints", "score"}
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    coco = COCO()
    coco.dataset = truth
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes(rows), "keypoints")
    evaluation.params.kpt_oks_sigmas = np.linspace(0.03, 0.1, 17)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(expected["coco/AP"], abs=1e-9)


def test_absent_keypoints_are_written_at_the_mean_of_those_present(tmp_path):
    truth = _truth(count=3)
    points = np.array([[[10.0, 20.0], [30.0, 40.0], [0.0, 0.0]]])
    found = [Instances(0, (400, 400), np.ones(1), keypoints=points, keypoint_scores=np.array([[0.9, 0.5, 0.0]]))]
    _evaluate(truth, found, 3, dump=str(tmp_path / "r.json"))
    row = json.loads((tmp_path / "r.json").read_text())[0]
    assert row["keypoints"] == [10, 20, 0.9, 30, 40, 0.5, 20, 30, 0]


def test_a_prediction_for_an_unknown_image_is_named():
    truth = _truth()
    stranger = Instances(
        "nobody", (4, 4), np.zeros(0), keypoints=np.zeros((0, 17, 2)), keypoint_scores=np.zeros((0, 17))
    )
    with pytest.raises(ValueError, match="'nobody'"):
        _evaluate(truth, [stranger])


def test_a_backend_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(BACKENDS, "xtcocotools", ("no_such_module", "no_such_module", "pip install the thing"))
    with pytest.raises(ImportError, match="pip install the thing"):
        CocoMetric(backend="xtcocotools")
    with pytest.raises(ValueError, match="hotcoco, pycocotools, xtcocotools"):
        CocoMetric(backend="cocoapi")


def test_missing_ground_truth_and_missing_keypoints_are_explained():
    metric = CocoMetric()
    metric.dataset_meta = dict(skeleton=build_skeleton("coco").to_dict())
    metric.process(None, _predictions(_truth()))
    with pytest.raises(ValueError, match="test_mode=True"):
        metric.evaluate(6)
    with pytest.raises(ValueError, match="the decoder returned none"):
        metric.process(None, [Instances(1, (2, 2), np.zeros(1))])
