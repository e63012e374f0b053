import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from scipy.io import loadmat, savemat

from aemm.evaluation.functional.pckh import inside_group
from aemm.evaluation.mpii_metric import MpiiMetric
from aemm.formats.matlab import number
from aemm.formats.mpii_mat import read_submission, read_truths, write_submission
from aemm.records import DatasetInfo, Group, Truth
from aemm.registry import METRICS
from aemm.skeletons import SKELETONS, build_skeleton
from aemm.structures import Instances
from tests.pairs import batch_with, measured

MPII = SKELETONS["mpii"]


def body(x, y, height=200.0):
    """Sixteen keypoints spread over a person whose middle is (x, y)."""
    rng = np.random.default_rng(1)
    points = rng.uniform(-0.4, 0.4, (len(MPII), 2)) * height
    points[:2] = [[-0.4 * height] * 2, [0.4 * height] * 2]
    return points + np.array([x, y])


def truths_of(groups, head=24.0, skeleton=MPII):
    """Truth of groups: `groups` maps an id to the middles of its people, whose heads measure 24 px."""
    columns = [MPII.keypoints.index(name) for name in skeleton.keypoints]
    found = []
    for key, places in groups.items():
        corners = np.array(places or [(0, 0)], float)
        rectangle = (*corners.min(0).tolist(), *corners.max(0).tolist())
        keypoints = np.array([body(*place) for place in places]).reshape(-1, len(MPII), 2)[:, columns]
        found.append(
            Truth(
                image_id=key,
                image_size=(500, 900),
                keypoints=keypoints,
                visible=np.full(keypoints.shape[:2], 2),
                head_sizes=np.full(len(keypoints), head),
                group=Group(rectangle, 1.0),
            )
        )
    return found


def found(key, *places, score=0.9, skeleton=MPII):
    columns = [MPII.keypoints.index(name) for name in skeleton.keypoints]
    keypoints = np.array([body(*place) for place in places], np.float32).reshape(-1, len(MPII), 2)[:, columns]
    scores = np.full(keypoints.shape[:2], score, np.float32)
    return Instances(key, (500, 900), scores.mean(1), keypoints=keypoints, keypoint_scores=scores)


def evaluate(truths, predictions, skeleton=MPII, **options):
    known = {truth.image_id: truth for truth in truths}
    pairs = [(known[prediction.image_id], prediction) for prediction in predictions]
    return measured(MpiiMetric(**options), DatasetInfo("groups", skeleton), pairs)


GROUPS = {7: [(200, 200), (400, 200)], 3: [(300, 300)]}


def test_perfect_predictions_reach_one_in_every_figure():
    values = evaluate(truths_of(GROUPS), [found(key, *places) for key, places in GROUPS.items()])
    assert {"mpii/mAP", "mpii/UBody", "mpii/Head", "mpii/Ank", "mpii/left_wrist"} <= set(values)
    assert not {"mpii/pelvis", "mpii/thorax"} & set(values)
    assert set(values.values()) == {1.0}


def test_parts_are_means_of_pairs_and_the_total_of_all_fourteen():
    truth = truths_of({7: [(200, 200)]})
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
    assert evaluate(truths_of({7: [(200, 200)]}), [prediction])["mpii/mAP"] == 1


def test_the_table_reads_as_the_literature_prints_it(monkeypatch):
    lines = []
    monkeypatch.setattr("aemm.evaluation.mpii_metric.MMLogger.get_current_instance", lambda: Log(lines))
    evaluate(truths_of(GROUPS), [found(7, *GROUPS[7]), found(3)])
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[0].splitlines() if "|" in line]
    assert rows == [["Head", "Sho", "Elb", "Wri", "Hip", "Knee", "Ank", "Total", "UBody"], ["100.0"] * 9]
    assert "3 people in 2 groups, 1 without prediction left out" in lines[0]


class Log:
    def __init__(self, lines):
        self.info = lines.append


def test_one_result_for_each_group_and_repeated_ones_count_once():
    metric = MpiiMetric()
    metric.dataset_meta = DatasetInfo("groups", MPII)
    metric.process(batch_with(truths_of(GROUPS)), [found(7, *GROUPS[7]), found(3)])
    assert len(metric.results) == 2
    truth, once = truths_of(GROUPS), [found(7, *GROUPS[7]), found(3, (0, 0))]
    assert evaluate(truth, [*once, once[0], once[0]]) == evaluate(truth, once)


def test_a_group_without_prediction_is_left_out_or_counted():
    truth = truths_of(GROUPS)
    for empty_groups, value in [("skip", 1), ("count", 2 / 3)]:
        values = evaluate(truth, [found(7, *GROUPS[7]), found(3)], empty_groups=empty_groups)
        assert values["mpii/mAP"] == pytest.approx(value)


def test_nothing_found_anywhere_gives_zero():
    assert evaluate(truths_of(GROUPS), [found(7), found(3)])["mpii/mAP"] == 0


def test_people_outside_the_group_are_left_out():
    truth = truths_of({7: [(200, 200)]})
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
    assert evaluate(truths_of(GROUPS, skeleton=skeleton), predictions, skeleton=skeleton)["mpii/mAP"] == 1


def test_images_are_groups_where_the_truth_lists_none():
    truth = [replace(truths_of({1: [(200, 200), (400, 200)]})[0], group=None)]
    assert evaluate(truth, [found(1, (200, 200), (400, 200))])["mpii/mAP"] == 1


def test_single_person_takes_the_best_scored_prediction():
    truth = truths_of({7: [(200, 200)], 3: [(300, 300)]})
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
    write_submission(path, predictions, MPII)
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


def test_a_keypoint_of_score_zero_in_a_file_stays_present(tmp_path):
    point = np.array([(1.0, 1.0, 3, 0.0)], dtype=[(n, object) for n in ("x", "y", "id", "score")]).reshape(1, 1)
    savemat(tmp_path / "pred.mat", {"pred": {"annorect": {"annopoints": {"point": point}}}})
    (only,) = read_submission(tmp_path / "pred.mat")
    assert (only.keypoint_scores[0] != 0).tolist() == [k == 3 for k in range(len(MPII))]
    assert only.keypoint_scores[0, 3] < 1e-300


def test_withheld_labels_are_not_measured():
    withheld = [Truth(7, (500, 900), group=Group((0, 0, 1, 1), 1.0))]
    assert evaluate(withheld, [found(7, *GROUPS[7])]) == {}


@pytest.mark.golden
def test_ground_truth_of_mpii_may_be_the_official_mat_file(shared):
    folder = shared / "data" / "mpii_groups"
    truths = read_truths(folder / "mpi_val_groundtruth.mat")
    predictions = read_submission(folder / "pred_keypoints_mpii_multi.mat")
    values = evaluate(truths, predictions, keep_margin=None)
    assert 100 * values["mpii/mAP"] == pytest.approx(79.3134608, abs=1e-4)


def test_an_evaluator_builds_it_from_a_config():
    evaluator = Evaluator([METRICS.build({"type": "MpiiMetric", "empty_groups": "count"})])
    evaluator.dataset_meta = DatasetInfo("groups", MPII)
    evaluator.process([found(key, *places) for key, places in GROUPS.items()], batch_with(truths_of(GROUPS)))
    assert evaluator.evaluate(2)["mpii/mAP"] == 1


@pytest.mark.parametrize("text", ["1", 1, 1.0, np.array([1], np.uint8), np.array(["1"]), np.array([[1]])])
def test_numbers_are_read_however_the_file_holds_them(text):
    assert number(text) == 1


@pytest.mark.parametrize("nothing", [None, "", np.array([]), np.zeros((0, 0))])
def test_what_holds_no_number_is_none(nothing):
    assert number(nothing) is None


def no_heads():
    return [replace(truth, head_sizes=np.full(len(truth), np.nan)) for truth in truths_of(GROUPS)]


@pytest.mark.parametrize(
    ("truth", "predictions", "options", "message"),
    [
        (no_heads(), [found(3)], {}, "group 3: a person has keypoints but no head rectangle"),
        (truths_of(GROUPS), [found(3)], {"empty_groups": "maybe"}, "'skip', 'count'"),
        (truths_of(GROUPS), [found(7)], {"single_person": True}, "group 7 has 2"),
        (truths_of(GROUPS), [Instances(7, (5, 5), np.zeros(0))], {}, "the decoder returned none"),
    ],
)
def test_bad_input_is_named(truth, predictions, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate(truth, predictions, **options)


def test_a_skeleton_without_the_mpii_keypoints_is_named():
    with pytest.raises(ValueError, match="upper_neck, head_top; skeleton 'coco' has none"):
        evaluate(truths_of({7: []}), [found(7)], skeleton=SKELETONS["coco"])


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
    metric = MpiiMetric(collect_dir=str(path / "collect"))
    metric.dataset_meta = DatasetInfo("groups", MPII)
    for key in shares[rank]:
        metric.process(batch_with(truths_of({key: THREE[key]})), [found(key, *SHIFTED[key])])
    values = metric.evaluate(4)
    (path / f"{rank}.json").write_text(json.dumps(values))
    torch.distributed.destroy_process_group()


THREE = {7: [(200, 200), (400, 200)], 3: [(300, 300)], 5: [(100, 300)]}
SHIFTED = {7: [(200, 200)], 3: [(310, 310)], 5: [(106, 306)]}


def test_two_processes_give_the_metric_of_one(tmp_path):
    torch.multiprocessing.spawn(evaluate_share, (f"file://{tmp_path}/meeting", tmp_path), nprocs=2)
    alone = evaluate(truths_of(THREE), [found(key, *places) for key, places in SHIFTED.items()])
    assert 0.1 < alone["mpii/mAP"] < 0.9
    for rank in range(2):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == alone
