import pytest
import torch

from aemm.engine import load_config
from aemm.engine.oracle import VARIANTS, oracle_table
from aemm.registry import MODELS
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
