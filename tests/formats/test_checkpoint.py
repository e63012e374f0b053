import hashlib
import io
import os
import random
import zipfile

import pytest
import torch
from torch import nn

from aemm.formats import checkpoint as files
from aemm.formats.checkpoint import (
    CheckpointError,
    best_in,
    check_state,
    load_weights,
    model_faults,
    read_checkpoint,
    weights_of,
    write_checkpoint,
)
from tests.local_server import serving


class Danger:
    def __reduce__(self):
        return print, ("unpickled",)


@pytest.fixture
def whole(tmp_path):
    """A checkpoint of several entries."""
    path = tmp_path / "whole.pth"
    torch.save(dict(state_dict={f"w{i}": torch.full((100,), float(i)) for i in range(5)}, meta=dict(epoch=3)), path)
    return path


@pytest.mark.parametrize("protocol", [2, "legacy"])
def test_code_in_a_checkpoint_never_runs(tmp_path, capsys, protocol):
    path = tmp_path / "evil.pth"
    torch.save(dict(state_dict=Danger()), path, _use_new_zipfile_serialization=protocol != "legacy")
    with pytest.raises(CheckpointError, match=r"evil\.pth holds more than tensors and plain types.*save its weights"):
        read_checkpoint(path)
    assert "unpickled" not in capsys.readouterr().out


def test_the_text_that_a_runner_would_run_is_left_out(tmp_path):
    torch.save(dict(meta=dict(config="print('run')", cfg="kept", epoch=1)), tmp_path / "c.pth")
    assert read_checkpoint(tmp_path / "c.pth")["meta"] == dict(cfg="kept", epoch=1)


def test_missing_files_and_folders_are_named_with_what_lies_beside_them(whole, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.pth does not exist; .* holds whole\.pth"):
        read_checkpoint(tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match=r"is a folder; name a file in it; .* holds whole\.pth"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [b"", b"text\n", b"\x80\x02}", b"PK\x03\x04" + bytes(50)])
def test_what_is_no_checkpoint_is_named(tmp_path, content):
    path = tmp_path / "odd.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"odd\.pth (is empty|is damaged or no checkpoint).*delete it"):
        read_checkpoint(path)


def test_a_dict_is_asked_for(tmp_path):
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="must hold a dict, got list; save it as"):
        read_checkpoint(tmp_path / "list.pth")


def test_every_cut_and_every_changed_bit_of_the_weights_is_found(whole):
    content = whole.read_bytes()
    place = content.index(torch.full((100,), 3.0).numpy().tobytes())
    for changed in (content[:-1], content[: len(content) // 2], content[:100]):
        whole.write_bytes(changed)
        with pytest.raises(CheckpointError, match=r"whole\.pth is damaged"):
            read_checkpoint(whole)
    whole.write_bytes(content[: place + 10] + bytes([content[place + 10] ^ 1]) + content[place + 11 :])
    assert torch.load(whole, weights_only=True)["state_dict"]["w3"].unique().numel() == 2  # torch does not mind
    with pytest.raises(CheckpointError, match="does not agree with its checksum"):
        read_checkpoint(whole)


def test_damaged_bytes_give_the_documented_error_or_load(whole, tmp_path):
    content, draw = whole.read_bytes(), random.Random(0)
    path, loaded = tmp_path / "fuzz.pth", 0
    for _ in range(300):
        changed = bytearray(content)
        for _ in range(draw.choice([1, 3, 30])):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        path.write_bytes(bytes(changed))
        try:
            loaded += isinstance(read_checkpoint(path), dict)
        except CheckpointError:
            continue
    assert loaded < 300


def test_an_archive_that_unpacks_to_more_than_it_is_is_refused(tmp_path):
    path, buffer = tmp_path / "bomb.pth", io.BytesIO()
    torch.save(dict(a=torch.zeros(1_000_000)), buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in source.namelist():
            packed.writestr(name, source.read(name))
    assert path.stat().st_size < 20_000
    with pytest.raises(CheckpointError, match="unpacks to more than"):
        read_checkpoint(path)


def test_what_is_downloaded_is_read_like_a_file(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("AEMM_HOME", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    files = {}
    for name, content in (("evil", dict(state_dict=Danger())), ("net", dict(a=torch.ones(1)))):
        buffer = io.BytesIO()
        torch.save(content, buffer)
        files[name] = buffer.getvalue()
    hashed = f"net-{hashlib.sha256(files['net']).hexdigest()[:8]}.pth"
    with serving({f"/{hashed}?x=1": files["net"], "/evil.pth": files["evil"]}) as server:
        server.cut = [100]  # a connection that breaks half way leaves no half of a file
        for _ in range(2):
            assert read_checkpoint(f"{server.address}/{hashed}?x=1")["a"] == 1
        assert len(server.asked) == 2
        with pytest.raises(CheckpointError, match=r"evil\.pth holds more than tensors"):
            read_checkpoint(f"{server.address}/evil.pth")
        assert "unpickled" not in capsys.readouterr().out
        server.files["/net-01234567.pth"] = files["net"]
        with pytest.raises(CheckpointError, match="expected 01234567"):
            read_checkpoint(f"{server.address}/net-01234567.pth")
        for name in ("epoch-12.pth", "surface.pth", "net-face.pth", "net-20240131.pth"):  # no hashes
            server.files[f"/{name}"] = files["net"]
            assert read_checkpoint(f"{server.address}/{name}")["a"] == 1
    with pytest.raises(CheckpointError, match=r"other\.pth cannot be downloaded \(.*refused.*put it at"):
        read_checkpoint(f"{server.address}/other.pth")


def test_weights_are_kept_and_looked_for_where_aemm_home_says(monkeypatch, tmp_path):
    monkeypatch.setenv("AEMM_HOME", str(tmp_path / "home"))
    (tmp_path / "home/checkpoints").mkdir(parents=True)
    torch.save(dict(a=torch.ones(1)), tmp_path / "home/checkpoints/net-0123abcd.pth")
    assert read_checkpoint("https://nowhere.invalid/net-0123abcd.pth")["a"] == 1


def test_the_best_checkpoint_of_a_work_dir_is_found(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        best_in(tmp_path)
    for age, name in enumerate(("epoch_2.pth", "epoch_1.pth", "best_coco_AP_epoch_1.pth", "best_coco_AP_epoch_3.pth")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    assert best_in(tmp_path).name == "best_coco_AP_epoch_1.pth"
    for best in tmp_path.glob("best_*"):
        best.unlink()
    assert best_in(tmp_path).name == "epoch_2.pth"


@pytest.mark.parametrize("content", [{}, dict(state_dict={}), dict(meta=dict(epoch=1)), dict(state_dict=dict(a=1))])
def test_a_checkpoint_without_weights_is_named(content):
    with pytest.raises(CheckpointError, match="checkpoint x holds no weights: expected tensors by name"):
        weights_of(content, "x")


def test_weights_are_loaded_whole_with_or_without_a_wrapper(tmp_path):
    torch.manual_seed(0)
    source, path = nn.Linear(2, 3), tmp_path / "w.pth"
    for state in (
        source.state_dict(),
        dict(state_dict={f"module.{name}": value for name, value in source.state_dict().items()}),
    ):
        torch.save(state, path)
        model = nn.Linear(2, 3)
        load_weights(model, path)
        assert torch.equal(model.weight, source.weight)
        assert torch.equal(model.bias, source.bias)


def test_weights_of_another_model_leave_it_as_it_is(tmp_path):
    path, model = tmp_path / "w.pth", nn.Linear(2, 3)
    before = model.bias.clone()
    torch.save(dict(weight=torch.zeros(3, 4), bias=torch.ones(3)), path)
    with pytest.raises(
        CheckpointError, match=r"w\.pth was made by another model:\n  - weight is \(3, 4\).*\n.*; do this"
    ):
        load_weights(model, path, remedy="do this")
    assert torch.equal(model.bias, before)


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
    with pytest.raises(CheckpointError, match=r"\(and 4 more\)"):
        check_state(nn.Linear(2, 3), {f"extra_{i}": torch.zeros(1) for i in range(10)})


def test_a_file_is_replaced_by_a_whole_one_or_not_at_all(whole, monkeypatch):
    before, seen = whole.read_bytes(), []
    real = os.replace

    def look(part, target):
        seen.append((whole.read_bytes() == before, read_checkpoint(part)["a"].item()))
        real(part, target)

    monkeypatch.setattr(os, "replace", look)
    write_checkpoint(dict(a=torch.ones(1)), whole)
    assert seen == [(True, 1.0)]
    assert read_checkpoint(whole)["a"] == 1
    assert [path.name for path in whole.parent.iterdir()] == ["whole.pth"]

    def full(part, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "settle", full)
    with pytest.raises(OSError, match=r"whole\.pth cannot be written: .*No space left"):
        write_checkpoint(dict(a=torch.zeros(1)), whole)
    assert read_checkpoint(whole)["a"] == 1
    assert [path.name for path in whole.parent.iterdir()] == ["whole.pth"]
