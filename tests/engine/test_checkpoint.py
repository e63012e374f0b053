import collections

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from torch import nn

from aemm.engine.checkpoint import to_plain
from aemm.formats.checkpoint import CheckpointError, model_faults, read_checkpoint


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
    got = read_checkpoint(str(path))
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


@pytest.mark.parametrize("load", [read_checkpoint, lambda path: CheckpointLoader.load_checkpoint(path, "cpu")])
def test_code_in_a_checkpoint_never_runs(tmp_path, capsys, load):
    path = tmp_path / "evil.pth"
    torch.save(dict(state_dict=_Danger()), path)
    with pytest.raises(CheckpointError, match=r"evil\.pth holds more than tensors and plain types"):
        load(str(path))
    assert "unpickled" not in capsys.readouterr().out


def test_damaged_missing_and_odd_files_are_named(tmp_path):
    path = tmp_path / "half.pth"
    torch.save(dict(a=torch.zeros(1000)), path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(CheckpointError, match=r"half\.pth is damaged"):
        read_checkpoint(str(path))
    with pytest.raises(FileNotFoundError, match=r"none\.pth does not exist"):
        read_checkpoint(str(tmp_path / "none.pth"))
    torch.save([1], path)
    with pytest.raises(CheckpointError, match="must hold a dict, got list"):
        read_checkpoint(str(path))


def test_faults_against_a_model_are_listed_by_entry():
    model = nn.Linear(2, 3)
    state = dict(weight=torch.zeros(3, 4), extra=torch.zeros(1))
    faults = model_faults(model, state)
    assert faults == [
        "bias is missing from the checkpoint",
        "weight is (3, 4) in the checkpoint, (3, 2) in the model",
        "extra is in the checkpoint, but not in the model",
    ]
    assert model_faults(model, state, partial=True) == ["weight is (3, 4) in the checkpoint, (3, 2) in the model"]
    assert model_faults(model, {f"module.{k}": v for k, v in model.state_dict().items()}) == []
