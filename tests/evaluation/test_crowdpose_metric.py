import json
from dataclasses import replace

import numpy as np
import pytest

from aemm.datasets import CrowdPoseDataset
from aemm.evaluation.functional.crowdpose import CROWD_STATS, evaluate_crowd
from aemm.skeletons import SKELETONS
from aemm.structures import Instances
from tests.pairs import batch_with

pytest.importorskip("xthotcoco", reason="xthotcoco, an optional package, is not installed")
SIGMAS = SKELETONS["crowdpose"].sigmas


def scene(seed: int, images: int = 12) -> tuple[dict, list]:
    """Random ground truth in CrowdPose's format and detections near it, far from it, and on nothing."""
    rng = np.random.default_rng(seed)
    truth = dict(images=[], annotations=[], categories=[dict(id=1, name="person", keypoints=["k"] * 14, skeleton=[])])
    results = []
    for image in range(1, images + 1):
        truth["images"].append(dict(id=image, width=640, height=480, crowdIndex=float(rng.uniform())))
        for _ in range(rng.integers(0, 6)):
            points = rng.uniform((0, 0), (640, 480), (14, 2))
            seen = rng.choice([0, 1, 2], 14)
            corner, size = points.min(0), np.ptp(points, axis=0)
            truth["annotations"].append(
                dict(
                    id=len(truth["annotations"]) + 1,
                    image_id=image,
                    category_id=1,
                    iscrowd=0,
                    keypoints=np.column_stack([points, seen]).ravel().tolist(),
                    num_keypoints=int((seen == 2).sum()),
                    bbox=[*corner.tolist(), *size.tolist()],
                )
            )
            for spread in rng.choice([1, 10, 40, 200], rng.integers(0, 3)):
                placed = np.column_stack([points + rng.normal(0, spread, (14, 2)), rng.uniform(0, 1, 14)])
                results.append(
                    dict(image_id=image, category_id=1, keypoints=placed.ravel().tolist(), score=float(rng.uniform()))
                )
    return truth, results


def by_xtcocotools(truth: dict, results: list, folder) -> np.ndarray:
    coco = pytest.importorskip("xtcocotools.coco", reason="xtcocotools, an optional package, is not installed")
    cocoeval = pytest.importorskip("xtcocotools.cocoeval")
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(results))
    expected = coco.COCO(str(folder / "truth.json"))
    found = expected.loadRes(str(folder / "results.json"))
    evaluation = cocoeval.COCOeval(expected, found, "keypoints_crowd", np.array(SIGMAS), use_area=False)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats


@pytest.mark.parametrize("seed", range(4))
def test_all_nine_numbers_agree_with_xtcocotools(seed, tmp_path):
    truth, results = scene(seed)
    ours = evaluate_crowd(truth, results, SIGMAS)
    assert tuple(ours) == CROWD_STATS
    assert 0 < ours["AP"] < 1
    np.testing.assert_allclose(list(ours.values()), by_xtcocotools(truth, results, tmp_path), rtol=0, atol=1e-9)


@pytest.mark.parametrize("crowding", [0.1, 0.5, 0.9])
def test_a_class_without_images_is_minus_one_as_in_xtcocotools(crowding, tmp_path):
    truth, results = scene(5)
    for image in truth["images"]:
        image["crowdIndex"] = crowding
    ours = evaluate_crowd(truth, results, SIGMAS)
    assert sorted(ours[name] == -1 for name in CROWD_STATS[6:]) == [False, True, True]
    np.testing.assert_allclose(list(ours.values()), by_xtcocotools(truth, results, tmp_path), rtol=0, atol=1e-9)


def samples(shared) -> CrowdPoseDataset:
    root = shared / "data/crowdpose_samples"
    return CrowdPoseDataset("test_crowdpose.json", "", str(root), test_mode=True)


def metric_of(dataset):
    from aemm.evaluation import CrowdPoseMetric

    metric = CrowdPoseMetric()
    metric.dataset_meta = dataset.metainfo
    return metric


def perfect(dataset) -> list[Instances]:
    found = []
    for i in range(len(dataset)):
        sample = dataset.load(i)
        seen = (sample.visible > 0).astype(np.float32)
        found.append(Instances(sample.image_id, sample.image_size, np.ones(len(seen)), None, sample.keypoints, seen))
    return found


def truths(dataset):
    return batch_with(dataset.load(i).truth for i in range(len(dataset)))


def test_the_truth_itself_has_ap_1_on_real_annotations(shared):
    dataset = samples(shared)
    metric = metric_of(dataset)
    metric.process(truths(dataset), perfect(dataset))
    values = metric.evaluate(len(dataset))
    assert values["crowdpose/AP"] == pytest.approx(1)
    assert values["crowdpose/AP_medium"] == pytest.approx(1)
    assert values["crowdpose/AP_hard"] == -1


def test_nothing_found_is_ap_0(shared):
    dataset = samples(shared)
    metric = metric_of(dataset)
    nobody = [found[np.zeros(0, int)] for found in perfect(dataset)]
    metric.process(truths(dataset), nobody)
    assert metric.evaluate(len(dataset))["crowdpose/AP"] == 0


def test_a_file_without_crowd_index_is_refused_with_a_hint(shared):
    dataset = samples(shared)
    batch = truths(dataset)
    batch.truths[0] = replace(batch.truths[0], crowd_index=None)
    with pytest.raises(ValueError, match="crowdIndex"):
        metric_of(dataset).process(batch, perfect(dataset))


def test_people_get_an_area_from_their_box(shared):
    truth = samples(shared).load(1).truth
    boxes = truth.boxes
    np.testing.assert_allclose(truth.area, 0.53 * (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), rtol=1e-5)


def test_coco_metric_sizes_people_by_the_same_area(shared):
    """Half a box away a person of CrowdPose scores as one of COCO with 0.53 of the box for area."""
    from aemm.evaluation.functional.coco import keypoint_dicts

    dataset = samples(shared)
    batch = truths(dataset)
    truth, _ = keypoint_dicts(list(zip(batch.truths, perfect(dataset), strict=True)), dataset.metainfo)
    for row in truth["annotations"]:
        assert row["area"] == pytest.approx(0.53 * row["bbox"][2] * row["bbox"][3])
