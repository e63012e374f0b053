import hashlib
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch

from aemm.engine import load_config, read_checkpoint
from aemm.registry import MODELS
from tests.engine.test_convert import higherhrnet, newell

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
default_scope = "aemm"
skeleton = dict(keypoints=["a", "b"], sigmas=[0.1, 0.1])
model = dict(type="Embedder", {network}, decoder=dict(type="PoseDecoder", skeleton=skeleton))
"""
HIGHER = """
    backbone=dict(type="HRNet", width=8, modules=(1, 1, 1), blocks=1, stem=8),
    head=dict(type="HigherHead", num_heatmaps=2, blocks=1)
"""
NEWELL = """
    backbone=dict(type="HourglassAE", out_channels=4, stacks=2, width=8, growth=4, depth=1, stem=(4, 8, 8)),
    head=dict(type="AEHead", num_heatmaps=2, project=False)
"""


@pytest.fixture
def run_tool(monkeypatch, capsys):
    """A function that runs a tool as from the command line; it returns exit code and what was printed where."""

    def run_one(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        code = 0
        try:
            runpy.run_path(str(ROOT / "tools" / "checkpoint_tools" / name), run_name="__main__")
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run_one


def published(tmp_path, network, foreign):
    """A config, its model, and a file of its weights under foreign names."""
    config = tmp_path / "network.py"
    config.write_text(CONFIG.format(network=network.strip()))
    torch.manual_seed(0)
    model = MODELS.build(load_config(str(config)).model)
    torch.save({foreign(name): value for name, value in model.state_dict().items()}, tmp_path / "source.pth")
    return config, model


@pytest.mark.parametrize(
    ("tool", "options", "network", "foreign"),
    [
        ("convert.py", ("--layout", "higherhrnet"), HIGHER, higherhrnet),
        ("convert_newell.py", (), NEWELL, newell),
    ],
)
def test_a_published_file_becomes_one_that_the_model_loads(run_tool, tmp_path, tool, options, network, foreign):
    config, model = published(tmp_path, network, foreign)
    code, out, err = run_tool(tool, *options, tmp_path / "source.pth", config, tmp_path / "target.pth")
    assert code == 0, err
    state = read_checkpoint(str(tmp_path / "target.pth"))["state_dict"]
    assert f"{len(state)} entries converted" in out
    fresh = MODELS.build(load_config(str(config)).model)
    fresh.load_state_dict(state)
    for key, value in model.state_dict().items():
        torch.testing.assert_close(fresh.state_dict()[key], value)


def test_a_file_that_lacks_an_entry_ends_the_tool_with_its_name(run_tool, tmp_path):
    config, _ = published(tmp_path, HIGHER, higherhrnet)
    source = torch.load(tmp_path / "source.pth")
    del source["stage2.0.branches.1.0.bn2.weight"]
    torch.save(source, tmp_path / "source.pth")
    code, _, err = run_tool(
        "convert.py", "--layout", "higherhrnet", tmp_path / "source.pth", config, tmp_path / "target.pth"
    )
    assert code == 1
    assert "backbone.stage2.0.branches.1.0.bn2.weight is missing from the checkpoint" in err
    assert "Traceback" not in err
    assert not (tmp_path / "target.pth").exists()


class Harmful:
    def __reduce__(self):
        return print, ("code of the file was run",)


def test_a_file_that_could_run_code_is_not_loaded(run_tool, tmp_path):
    config, _ = published(tmp_path, HIGHER, higherhrnet)
    torch.save({"state_dict": {}, "meta": Harmful()}, tmp_path / "source.pth")
    code, out, err = run_tool(
        "convert.py", "--layout", "higherhrnet", tmp_path / "source.pth", config, tmp_path / "target.pth"
    )
    assert code == 1
    assert "is not loaded" in err
    assert "code of the file" not in out


def test_a_published_checkpoint_holds_weights_alone_and_is_named_by_its_hash(run_tool, tmp_path):
    weights = {"weight": torch.ones(3)}
    run = {"state_dict": weights, "meta": {"epoch": 3}, "optimizer": {"state": torch.ones(1000)}, "message_hub": {}}
    torch.save(run, tmp_path / "epoch_3.pth")
    code, out, err = run_tool("publish.py", tmp_path / "epoch_3.pth", tmp_path / "net")
    assert code == 0, err
    (written,) = tmp_path.glob("net-*.pth")
    assert out.strip() == str(written)
    name = re.fullmatch(r"net-([0-9a-f]{8})\.pth", written.name)
    assert hashlib.sha256(written.read_bytes()).hexdigest().startswith(name[1])
    loaded = read_checkpoint(str(written))
    assert set(loaded) == {"state_dict", "meta"}
    assert loaded["meta"] == {"epoch": 3}
    assert torch.equal(loaded["state_dict"]["weight"], weights["weight"])
    again = run_tool("publish.py", tmp_path / "epoch_3.pth", tmp_path / "net")
    assert again == (code, out, err)


def test_a_file_without_weights_is_not_published(run_tool, tmp_path):
    torch.save({"optimizer": {}}, tmp_path / "epoch_3.pth")
    code, _, err = run_tool("publish.py", tmp_path / "epoch_3.pth", tmp_path / "net")
    assert code == 1
    assert "holds no weights: expected tensors by name, alone or under state_dict, got optimizer" in err
