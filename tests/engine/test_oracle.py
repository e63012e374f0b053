import numpy as np
import pytest
import torch

from aemm.engine import load_config
from aemm.engine.oracle import VARIANTS, oracle_table, true_heatmaps, true_tags
from aemm.registry import MODELS
from aemm.structures import Sample
from tests.end_to_end import check, run_tool, write_config


def sample() -> Sample:
    keypoints = np.array([[[10.0, 10.0], [30.0, 13.0]], [[50.0, 40.0], [0.0, 0.0]]], np.float32)
    visible = np.array([[2, 2], [1, 0]])
    return Sample(np.zeros((64, 64, 3), np.uint8), 1, (64, 64), keypoints, visible)


def test_tags_are_those_of_the_nearest_person_who_has_the_keypoint():
    tags = true_tags(sample(), (16, 16))
    assert tags[0, 2, 2] != tags[0, 10, 12]
    assert set(np.unique(tags[0])) == {tags[0, 2, 2], tags[0, 10, 12]}
    assert np.unique(tags[1]).tolist() == [tags[0, 2, 2]]  # the second person has none


def test_without_people_tags_belong_to_nobody():
    nobody = Sample(np.zeros((64, 64, 3), np.uint8), 1, (64, 64), np.zeros((0, 2, 2), np.float32), np.zeros((0, 2)))
    assert len(np.unique(true_tags(nobody, (16, 16)))) == 1
    assert true_heatmaps(nobody, (16, 16), 1.0, "unbiased").max() == 0


def test_heatmaps_peak_at_the_keypoints():
    heat = true_heatmaps(sample(), (16, 16), 1.0, "unbiased")
    assert np.unravel_index(heat[1].argmax(), (16, 16)) == (3, 7)


@pytest.fixture
def untrained(tmp_path):
    config = write_config(tmp_path)
    torch.manual_seed(0)
    model = MODELS.build(load_config(str(config)).model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / "weights.pth")
    return config, tmp_path / "weights.pth"


def test_the_whole_truth_gives_what_decoding_can_reach_and_no_part_of_it_hurts(untrained):
    config, weights = untrained
    table = oracle_table(load_config(str(config)), str(weights), sigma=1.0)
    ap = {name: values["coco/AP"] for name, values in table.items()}
    assert list(ap) == list(VARIANTS)
    assert ap["both true"] > 0.9
    assert ap["predicted"] <= ap["true heatmaps"] <= ap["both true"]
    assert ap["predicted"] <= ap["true tags"] + 0.01


def test_the_tool_prints_a_line_for_each_variant(untrained):
    config, weights = untrained
    output = check(run_tool("tools/analysis_tools/oracle.py", config, weights, "--limit", 2, "--sigma", "1"))
    assert all(name in output for name in VARIANTS)


def test_weights_of_another_model_are_refused(untrained, tmp_path):
    config, _ = untrained
    torch.save(dict(state_dict={"backbone.other": torch.zeros(1)}), tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"made by another model:\s*- backbone\.stem"):
        oracle_table(load_config(str(config)), str(tmp_path / "other.pth"))
