import collections
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from torch import nn

from aemm.engine import checkpoint
from aemm.engine.checkpoint import SafeCheckpointHook, to_plain
from aemm.formats.checkpoint import CheckpointError, read_checkpoint


class _Danger:
    def __reduce__(self):
        return print, ("unpickled",)


def test_plain_types_survive_a_safe_round_trip(tmp_path):
    buffer = HistoryBuffer([1.0, 2.5], [1, 3], max_length=7)
    value = dict(
        scalar=np.float32(0.5),
        whole=np.int64(3),
        array=np.arange(3),
        names=np.array(["a", "b"]),
        counter=collections.Counter({10: 1}),
        ordered=collections.OrderedDict(a=(1, 2)),
        flag=True,
        nothing=None,
        buffer=buffer,
        some={1, 2},
    )
    path = tmp_path / "c.pth"
    torch.save(to_plain(value), path)
    got = read_checkpoint(path)
    assert got["scalar"] == 0.5
    assert (got["whole"], got["flag"], got["nothing"]) == (3, True, None)
    assert got["array"].tolist() == [0, 1, 2]
    assert got["names"] == ["a", "b"]
    assert got["counter"] == {10: 1}
    assert got["ordered"] == {"a": (1, 2)}
    assert got["some"] == [1, 2]
    assert got["buffer"]["history"].tolist() == [1.0, 2.5]


def test_what_has_no_plain_form_is_refused():
    with pytest.raises(CheckpointError, match="a _Danger cannot be saved"):
        to_plain(dict(x=_Danger()))


@pytest.mark.parametrize(
    "name",
    [
        "{folder}/evil.pth",
        "https://host/evil.pth",
        "s3://bucket/evil.pth",
        "cluster:s3://bucket/evil.pth",
        "petrel://bucket/evil.pth",
        "torchvision://resnet50",
        "open-mmlab://resnet50",
        "openmmlab://resnet50",
        "mmcls://resnet50",
        "pavi://evil",
    ],
)
def test_no_source_that_mmengine_knows_runs_code(tmp_path, monkeypatch, capsys, name):
    torch.save(dict(state_dict=_Danger()), tmp_path / "evil.pth")
    content = (tmp_path / "evil.pth").read_bytes()

    def fetch(address, target, hashed):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("aemm.formats.downloads.fetch", fetch)
    monkeypatch.setattr("aemm.formats.checkpoint.get_file_backend", lambda name: SimpleNamespace(get=lambda _: content))
    for zoo in ("torchvision", "open-mmlab", "openmmlab"):
        monkeypatch.setitem(checkpoint._ZOOS, zoo, lambda: {"resnet50": "https://host/resnet50.pth"})
    with pytest.raises(CheckpointError, match=r"holds more than tensors|does not read"):
        CheckpointLoader.load_checkpoint(name.format(folder=tmp_path), "cpu", logger="silent")
    assert "unpickled" not in capsys.readouterr().out


def test_weights_that_no_zoo_lists_are_named():
    with pytest.raises(CheckpointError, match="openmmlab://nothing is not listed by openmmlab"):
        CheckpointLoader.load_checkpoint("openmmlab://nothing", "cpu", logger="silent")


@pytest.fixture
def runner():
    """What the hook needs of a runner: its model and a logger that remembers."""
    said = []
    logger = SimpleNamespace(warning=said.append)
    return SimpleNamespace(model=nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4)), logger=logger, said=said)


def test_weights_for_other_keypoints_point_to_the_tool_that_maps_them(runner):
    state = {**runner.model.state_dict(), "1.weight": torch.zeros(5, 3)}
    with pytest.raises(CheckpointError, match=r"1\.weight is \(5, 3\).*\n.*map_keypoints\.py.*partial=True"):
        SafeCheckpointHook().after_load_checkpoint(runner, dict(state_dict=state))


def test_partial_loading_leaves_out_what_does_not_fit_and_names_it(runner):
    state = {**runner.model.state_dict(), "1.weight": torch.zeros(5, 3), "extra": torch.zeros(1)}
    del state["1.bias"]
    loaded = dict(state_dict=state)
    SafeCheckpointHook(partial=True).after_load_checkpoint(runner, loaded)
    assert set(loaded["state_dict"]) == {"0.weight", "0.bias"}
    assert runner.said == ["2 of 4 entries of the model come from the checkpoint; what starts anew: 1.weight, 1.bias"]


def test_partial_loading_of_nothing_is_refused(runner):
    with pytest.raises(CheckpointError, match="nothing of the checkpoint fits"):
        SafeCheckpointHook(partial=True).after_load_checkpoint(runner, dict(state_dict=dict(x=torch.zeros(1))))
