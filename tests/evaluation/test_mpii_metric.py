import json

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from scipy.io import loadmat, savemat

from aemm.evaluation.functional.mpii_mat import number, read_submission, write_submission
from aemm.evaluation.mpii_metric import MpiiMetric, inside_group
from aemm.registry import METRICS
from aemm.skeletons import SKELETONS, build_skeleton
from aemm.structures import Instances

MPII = SKELETONS["mpii"]


def body(x, y, height=200.0):
    """Sixteen keypoints spread over a person whose middle is (x, y)."""
    rng = np.random.default_rng(1)
    points = rng.uniform(-0.4, 0.4, (len(MPII), 2)) * height
    points[:2] = [[-0.4 * height] * 2, [0.4 * height] * 2]
    return points + np.array([x, y])


def annotations(groups, head=40.0):
    """COCO-format ground truth: `groups` maps an id to the middles of its people."""
    people = [
        {
            "id": i,
            "image_id": 1,
            "category_id": 1,
            "group_ids": [key],
            "keypoints": np.column_stack([body(*place), np.full(len(MPII), 2)]).ravel().tolist(),
            "head_box": [place[0], place[1], place[0] + head, place[1] + head],
        }
        for i, (key, place) in enumerate((key, place) for key, places in groups.items() for place in places)
    ]
    entries = []
    for key, places in groups.items():
        corners = np.array(places or [(0, 0)], float)
        rectangle = [*corners.min(0).tolist(), *corners.max(0).tolist()]
        entries.append({"id": key, "image_id": 1, "rectangle": rectangle, "scale": 1.0})
    category = {"id": 1, "name": "person", "keypoints": list(MPII.keypoints)}
    return {"images": [{"id": 1}], "annotations": people, "groups": entries, "categories": [category]}


def found(key, *places, score=0.9, skeleton=MPII):
    columns = [MPII.keypoints.index(name) for name in skeleton.keypoints]
    keypoints = np.array([body(*place) for place in places], np.float32).reshape(-1, len(MPII), 2)[:, columns]
    scores = np.full(keypoints.shape[:2], score, np.float32)
    return Instances(key, (500, 900), scores.mean(1), keypoints=keypoints, keypoint_scores=scores)


def evaluate(truth, predictions, skeleton=MPII, **options):
    metric = MpiiMetric(**options)
    metric.dataset_meta = {"skeleton": skeleton.to_dict(), "annotations": truth}
    for prediction in predictions:
        metric.process({}, [prediction])
    return metric.evaluate(len(predictions))


GROUPS = {7: [(200, 200), (400, 200)], 3: [(300, 300)]}


def test_perfect_predictions_reach_one_in_every_figure():
    values = evaluate(annotations(GROUPS), [found(key, *places) for key, places in GROUPS.items()])
    assert {"mpii/mAP", "mpii/UBody", "mpii/Head", "mpii/Ank", "mpii/left_wrist"} <= set(values)
    assert not {"mpii/pelvis", "mpii/thorax"} & set(values)
    assert set(values.values()) == {1.0}


def test_parts_are_means_of_pairs_and_the_total_of_all_fourteen():
    truth = annotations({7: [(200, 200)]})
    prediction = found(7, (200, 200))
    prediction.keypoints[0, [MPII.keypoints.index(n) for n in ("left_knee", "right_ankle", "left_ankle")]] += 200
    values = evaluate(truth, [prediction], keep_margin=None)
    assert values["mpii/Knee"] == 0.5
    assert values["mpii/Ank"] == 0
    assert values["mpii/UBody"] == 1
    assert values["mpii/mAP"] == pytest.approx(11 / 14)


def test_pelvis_and_thorax_do_not_count():
    prediction = found(7, (200, 200))
    prediction.keypoints[0, [MPII.keypoints.index(n) for n in ("pelvis", "thorax")]] += 100
    assert evaluate(annotations({7: [(200, 200)]}), [prediction])["mpii/mAP"] == 1


def test_the_table_reads_as_the_literature_prints_it(monkeypatch):
    lines = []
    monkeypatch.setattr("aemm.evaluation.mpii_metric.MMLogger.get_current_instance", lambda: Log(lines))
    evaluate(annotations(GROUPS), [found(7, *GROUPS[7])])
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[0].splitlines() if "|" in line]
    assert rows == [["Head", "Sho", "Elb", "Wri", "Hip", "Knee", "Ank", "Total", "UBody"], ["100.0"] * 9]
    assert "3 people in 2 groups, 1 without prediction left out" in lines[0]


class Log:
    def __init__(self, lines):
        self.info = lines.append


def test_one_result_for_each_group_and_repeated_ones_count_once():
    metric = MpiiMetric()
    metric.process({}, [found(7, *GROUPS[7]), found(3)])
    assert len(metric.results) == 2
    truth, once = annotations(GROUPS), [found(7, *GROUPS[7]), found(3, (0, 0))]
    assert evaluate(truth, [*once, once[0], once[0]]) == evaluate(truth, once)


def test_a_group_that_was_not_predicted_counts_as_one_without_prediction():
    truth = annotations(GROUPS)
    for empty_groups, value in [("skip", 1), ("count", 2 / 3)]:
        missing = evaluate(truth, [found(7, *GROUPS[7])], empty_groups=empty_groups)
        empty = evaluate(truth, [found(7, *GROUPS[7]), found(3)], empty_groups=empty_groups)
        assert missing == empty
        assert missing["mpii/mAP"] == pytest.approx(value)


def test_nothing_found_anywhere_gives_zero():
    assert evaluate(annotations(GROUPS), [found(7), found(3)])["mpii/mAP"] == 0


def test_people_outside_the_group_are_left_out():
    truth = annotations({7: [(200, 200)]})
    wide = [found(7, (200, 200), (400, 200), score=0.9)]
    wide[0].keypoint_scores[1] = 1
    assert evaluate(truth, wide)["mpii/mAP"] == 1
    assert evaluate(truth, wide, keep_margin=None)["mpii/mAP"] == 0.5


def test_the_margin_is_measured_from_the_middle_of_what_is_present():
    keypoints = np.array([[[90, 0], [110, 0]], [[90, 0], [900, 0]], [[0, 0], [0, 0]]], float)
    present = np.array([[True, True], [True, False], [False, False]])
    rectangle = np.array([0, 0, 50, 0], float)
    assert inside_group(keypoints, present, rectangle, 50).tolist() == [True, True, False]
    assert inside_group(keypoints, present, rectangle, 49).tolist() == [False, True, False]
    assert inside_group(keypoints[:0], present[:0], rectangle, 50).tolist() == []


def test_a_skeleton_of_fourteen_keypoints_in_another_order_will_do():
    names = SKELETONS["mpii14"].keypoints[::-1]
    skeleton = build_skeleton({"name": "own", "keypoints": names, "sigmas": [0.05] * len(names)})
    predictions = [found(key, *places, skeleton=skeleton) for key, places in GROUPS.items()]
    assert evaluate(annotations(GROUPS), predictions, skeleton=skeleton)["mpii/mAP"] == 1


def test_images_are_groups_where_the_ground_truth_lists_none():
    truth = annotations({1: [(200, 200), (400, 200)]})
    del truth["groups"]
    assert evaluate(truth, [found(1, (200, 200), (400, 200))])["mpii/mAP"] == 1


def test_single_person_takes_the_best_scored_prediction():
    truth = annotations({7: [(200, 200)], 3: [(300, 300)]})
    two = found(7, (200, 200), (240, 200))
    two.scores[:] = [0.9, 0.8]
    values = evaluate(truth, [two, found(3)], single_person=True)
    assert values["mpii/PCKh"] == 0.5
    assert values["mpii/head_top"] == 0.5
    two.scores[:] = [0.8, 0.9]
    assert evaluate(truth, [two, found(3)], single_person=True)["mpii/PCKh"] == 0


def test_a_submission_loads_back_to_the_same_predictions(tmp_path):
    path = tmp_path / "deep" / "pred.mat"
    predictions = [found(7, *GROUPS[7]), found(3)]
    predictions[0].keypoint_scores[1, 4:] = 0
    evaluate(annotations(GROUPS), predictions, dump=str(path))
    first, second = read_submission(path)
    present = predictions[0].keypoint_scores > 0
    np.testing.assert_array_equal(first.keypoint_scores, predictions[0].keypoint_scores)
    np.testing.assert_array_equal(first.keypoints[present], predictions[0].keypoints[present])
    assert len(second) == 0


def test_a_submission_has_the_official_layout(tmp_path):
    path = tmp_path / "pred.mat"
    prediction = found(0, (200, 200))
    prediction.keypoint_scores[0, 1:] = 0
    write_submission(path, [prediction, found(1)], MPII)
    pred = loadmat(path)["pred"]
    assert pred.shape == (1, 2)
    point = pred[0, 0]["annorect"][0, 0]["annopoints"][0, 0]["point"]
    assert set(point.dtype.names) == {"x", "y", "id", "score"}
    assert point["id"].item().item() == 0
    assert point["x"].item().item() == pytest.approx(prediction.keypoints[0, 0, 0] + 1)  # MATLAB counts from 1
    assert pred[0, 1]["annorect"].size == 0


def test_a_submission_lists_all_groups_in_the_order_of_the_ground_truth(tmp_path):
    truth = annotations(GROUPS)
    evaluate(truth, [found(3, (300, 300))], dump=str(tmp_path / "pred.mat"))
    assert [len(entry) for entry in read_submission(tmp_path / "pred.mat")] == [0, 1]


def test_a_keypoint_of_score_zero_in_a_file_stays_present(tmp_path):
    point = np.array([(1.0, 1.0, 3, 0.0)], dtype=[(n, object) for n in ("x", "y", "id", "score")]).reshape(1, 1)
    savemat(tmp_path / "pred.mat", {"pred": {"annorect": {"annopoints": {"point": point}}}})
    (only,) = read_submission(tmp_path / "pred.mat")
    assert (only.keypoint_scores[0] != 0).tolist() == [k == 3 for k in range(len(MPII))]
    assert only.keypoint_scores[0, 3] < 1e-300


def test_withheld_labels_are_written_for_submission_and_not_measured(tmp_path):
    truth = {**annotations(GROUPS), "annotations": []}
    path = tmp_path / "pred.mat"
    assert evaluate(truth, [found(7, *GROUPS[7])], dump=str(path)) == {}
    assert len(read_submission(path)) == 2
    with pytest.raises(ValueError, match=r"withheld; set dump"):
        evaluate(truth, [found(7, *GROUPS[7])])


@pytest.mark.golden
def test_ground_truth_of_mpii_may_be_the_official_mat_file(shared):
    folder = shared / "data" / "mpii_groups"
    metric = MpiiMetric(ann_file=str(folder / "mpi_val_groundtruth.mat"), keep_margin=None)
    metric.dataset_meta = {"skeleton": "mpii"}
    predictions = read_submission(folder / "pred_keypoints_mpii_multi.mat")
    metric.process({}, predictions)
    assert 100 * metric.evaluate(len(predictions))["mpii/mAP"] == pytest.approx(79.3134608, abs=1e-4)


def test_ground_truth_from_a_json_file_is_that_of_the_data_set(tmp_path):
    (tmp_path / "groups.json").write_text(json.dumps(annotations(GROUPS)))
    other = {**annotations(GROUPS), "annotations": []}
    assert evaluate(other, [found(7, *GROUPS[7])], ann_file=str(tmp_path / "groups.json"))["mpii/mAP"] == 1


def test_an_evaluator_builds_it_from_a_config():
    evaluator = Evaluator([METRICS.build({"type": "MpiiMetric", "empty_groups": "count"})])
    evaluator.dataset_meta = {"skeleton": "mpii", "annotations": annotations(GROUPS)}
    evaluator.process([found(key, *places) for key, places in GROUPS.items()], {})
    assert evaluator.evaluate(2)["mpii/mAP"] == 1


@pytest.mark.parametrize("text", ["1", 1, 1.0, np.array([1], np.uint8), np.array(["1"]), np.array([[1]])])
def test_numbers_are_read_however_the_file_holds_them(text):
    assert number(text) == 1


@pytest.mark.parametrize("nothing", [None, "", np.array([]), np.zeros((0, 0))])
def test_what_holds_no_number_is_none(nothing):
    assert number(nothing) is None


def no_heads():
    truth = annotations(GROUPS)
    del truth["annotations"][2]["head_box"]
    return truth


@pytest.mark.parametrize(
    ("truth", "predictions", "options", "message"),
    [
        (annotations(GROUPS), [found(8)], {}, r"does not have, such as \[8\]"),
        (no_heads(), [found(3)], {}, "group 3: a person has keypoints but no head rectangle"),
        (annotations(GROUPS), [found(3)], {"empty_groups": "maybe"}, "'skip', 'count'"),
        (annotations(GROUPS), [found(3)], {"dump": "pred.json"}, "must name a .mat file"),
        (annotations(GROUPS), [found(7)], {"single_person": True}, "group 7 has 2"),
        (annotations(GROUPS), [Instances(7, (5, 5), np.zeros(0))], {}, "the decoder returned none"),
    ],
)
def test_bad_input_is_named(truth, predictions, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate(truth, predictions, **options)


def test_a_skeleton_without_the_mpii_keypoints_is_named():
    with pytest.raises(ValueError, match="upper_neck, head_top; skeleton 'coco' has none"):
        evaluate(annotations(GROUPS), [found(7)], skeleton=SKELETONS["coco"])


@pytest.mark.parametrize("content", [{"pred": np.zeros(3)}, {"other": {"x": 1}}])
def test_a_mat_file_of_another_layout_is_named(tmp_path, content):
    savemat(tmp_path / "odd.mat", content)
    with pytest.raises(ValueError, match=r"odd.mat holds no struct array with a field 'annorect'"):
        read_submission(tmp_path / "odd.mat")


def test_a_file_that_is_no_mat_file_is_named(tmp_path):
    (tmp_path / "odd.mat").write_text("[]")
    with pytest.raises(ValueError, match=r"odd.mat cannot be read as a MATLAB file"):
        read_submission(tmp_path / "odd.mat")


def evaluate_share(rank, address, path):
    """What one of two processes does: every second group, padded with a repetition as samplers do."""
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    shares = [[7, 5], [3, 7]]
    metric = MpiiMetric()
    metric.dataset_meta = {"skeleton": "mpii", "annotations": annotations(THREE)}
    for key in shares[rank]:
        metric.process({}, [found(key, *SHIFTED[key])])
    values = metric.evaluate(4)
    (path / f"{rank}.json").write_text(json.dumps(values))
    torch.distributed.destroy_process_group()


THREE = {7: [(200, 200), (400, 200)], 3: [(300, 300)], 5: [(100, 300)]}
SHIFTED = {7: [(200, 200)], 3: [(310, 310)], 5: [(106, 306)]}


def test_two_processes_give_the_metric_of_one(tmp_path):
    torch.multiprocessing.spawn(evaluate_share, (f"file://{tmp_path}/meeting", tmp_path), nprocs=2)
    alone = evaluate(annotations(THREE), [found(key, *places) for key, places in SHIFTED.items()])
    assert 0.1 < alone["mpii/mAP"] < 0.9
    for rank in range(2):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == alone
