import numpy as np
import pytest
import torch

from aemm.engine import load_config
from aemm.engine.oracle import VARIANTS, oracle_table, replace_parts
from aemm.records import Truth
from aemm.registry import MODELS
from aemm.structures import Maps, Sample
from tests.end_to_end import check, run_tool, write_config


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


def test_several_metrics_are_measured_and_may_not_share_a_name(untrained):
    config, weights = untrained
    cfg = load_config(str(config))
    one = dict(cfg.test_evaluator)
    cfg.test_evaluator = [one, one | dict(prefix="again")]
    for values in oracle_table(cfg, str(weights), sigma=1.0, limit=3).values():
        assert values["again/AP"] == values["coco/AP"]
    cfg.test_evaluator = [one, one]
    with pytest.raises(ValueError, match=r"two metrics of test_evaluator give 'coco/AP.*another prefix"):
        oracle_table(cfg, str(weights), sigma=1.0, limit=3)


def test_masks_have_a_perfect_network_too():
    masks = np.zeros((2, 16, 32), bool)
    masks[0, :, :16], masks[1, :8, 16:] = True, True
    sample = Sample(np.zeros((16, 32, 3), np.uint8), 1, (16, 32), masks=masks, labels=np.array([1, 1]))
    maps = Maps(torch.zeros(1, 2, 4, 8), torch.zeros(1, 2, 1, 4, 8))
    true = replace_parts(maps, sample, True, True, None, "unbiased")
    assert true.heatmaps[0, 1].sum() == 16 + 8
    assert true.heatmaps[0, 0].sum() == 0
    assert true.tags[0, 1, 0, 0, 0] != true.tags[0, 1, 0, 0, 7]
    assert replace_parts(maps, sample, False, False, None, "unbiased").heatmaps is maps.heatmaps


def test_where_the_truth_alone_knows_the_people_it_is_taken():
    keypoints, visible = np.array([[[9.0, 9.0]]]), np.array([[2]])
    truth = Truth(1, (16, 32), keypoints=keypoints, visible=visible)
    sample = Sample(np.zeros((32, 64, 3), np.uint8), 1, (16, 32), warp=np.diag([2.0, 2, 1]), truth=truth)
    maps = Maps(torch.zeros(1, 1, 8, 16), torch.zeros(1, 1, 1, 8, 16))
    true = replace_parts(maps, sample, True, True, 0.5, "unbiased")
    assert np.unravel_index(true.heatmaps[0, 0].argmax(), (8, 16)) == (4, 4)
