"""Reports on models that were tested, from the command line."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from aemm.cli import main
from aemm.cli.outcome import ExitCode
from aemm.engine import ReportHook, load_config
from aemm.engine.runs import find_run
from aemm.records import Instances, Truth
from aemm.registry import MODELS
from tests.end_to_end import write_config
from tests.scalars import step_row, write_scalars


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory):
    """A work dir as a training leaves it, of a network that learned nothing."""
    folder = tmp_path_factory.mktemp("runs") / "plain"
    config = write_config(folder)
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(load_config(str(config)).model).state_dict()), folder / "best_AP.pth")
    write_scalars(folder, "20240101_000000", [step_row(10, 3.0), step_row(20, 2.0)])
    return folder


def test_a_test_writes_its_report(work_dir, tmp_path):
    out = tmp_path / "deep" / "report"
    words = ["test", work_dir / "small.py", work_dir / "best_AP.pth", "--work-dir", tmp_path, "--report", out]
    assert main([str(word) for word in words]) == ExitCode.DONE
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Curves of the training" in page
    assert "What detection and what grouping cost" in page
    numbers = json.loads((out / "report.json").read_text())["plain"]
    assert numbers["AP"] == pytest.approx(numbers["metrics"]["coco/AP"], abs=1e-4)
    assert numbers["oracle"]["both true"]["coco/AP"] > 0.5
    assert main(["report", str(out), "--out", str(tmp_path / "again"), "--examples", "1"]) == ExitCode.DONE
    assert json.loads((tmp_path / "again" / "report.json").read_text())["plain"]["AP"] == numbers["AP"]


def test_what_was_asked_of_one_test_is_not_done_again_by_the_next_report(work_dir, tmp_path, monkeypatch):
    folder = shutil.copytree(work_dir, tmp_path / "run")
    kept = (folder / "small.py").read_text()
    words = ["test", folder / "small.py", folder / "best_AP.pth", "--work-dir", folder, "--no-flip", "--nms", "hard"]
    words += ["--dump", tmp_path / "found.json", "--show-dir", tmp_path / "drawn"]
    assert main([str(word) for word in words]) == ExitCode.DONE
    assert (folder / "small.py").read_text() == kept
    (own,) = folder.glob("2*/small.py")
    assert "found.json" in own.read_text()
    shutil.copy(own, folder / "small.py")  # as it was left by earlier versions
    (tmp_path / "found.json").unlink()
    shutil.rmtree(tmp_path / "drawn")
    monkeypatch.chdir(tmp_path)
    words = ["report", "run", "--out", "report", "--examples", "1", "--oracle-images", "1"]
    assert main(words) == ExitCode.DONE
    monkeypatch.chdir(folder)  # the report names its checkpoint for all folders
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report", "run"]
    assert find_run(tmp_path / "report") == (folder / "small.py", folder / "best_AP.pth")


def test_two_runs_are_compared(work_dir, tmp_path, capsys):
    other = shutil.copytree(work_dir, tmp_path / "other")
    words = ["report", work_dir, other / "best_AP.pth", "--out", tmp_path / "both", "--examples", 1]
    assert main([str(word) for word in [*words, "--oracle-images", 1]]) == ExitCode.DONE
    assert str(tmp_path / "both" / "report.html") in capsys.readouterr().out
    page = (tmp_path / "both" / "report.html").read_text(encoding="utf-8")
    assert "Report: plain and other" in page
    assert "largest difference" in page


def test_the_best_checkpoint_is_taken_or_else_the_last(work_dir, tmp_path):
    folder = shutil.copytree(work_dir, tmp_path / "run")
    assert find_run(folder) == (folder / "small.py", folder / "best_AP.pth")
    (folder / "best_AP.pth").rename(folder / "epoch_2.pth")
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        find_run(folder)
    (folder / "last_checkpoint").write_text("/moved/since/epoch_2.pth")
    assert find_run(folder)[1] == folder / "epoch_2.pth"
    assert find_run(folder / "epoch_2.pth")[1] == folder / "epoch_2.pth"
    (folder / "small.py").unlink()
    with pytest.raises(FileNotFoundError, match="no config"):
        find_run(folder)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        find_run(tmp_path / "absent")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"a": {}, "b": {}}', '{"a": 1}', '{"a": {"checkpoint": 3}}'])
def test_numbers_of_no_run_are_refused(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(FileNotFoundError, match=r"report\.json does not tell of one run"):
        find_run(tmp_path)


def test_withheld_labels_end_the_test_at_once():
    withheld = SimpleNamespace(truths=[Truth(1, (8, 8))])
    for batch in (withheld, SimpleNamespace(truths=[])):
        with pytest.raises(ValueError, match="labels, but those of the test data are withheld"):
            ReportHook().after_test_iter(None, 0, batch, [Instances(1, (8, 8), np.zeros(0))])


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_curves_of_several_runs_are_one_picture(work_dir, tmp_path, ending):
    write_scalars(tmp_path / "other", "1", [step_row(10, 4.0)])
    out = tmp_path / f"curves.{ending}"
    assert main(["curves", str(work_dir), str(tmp_path / "other"), "--out", str(out)]) == ExitCode.DONE
    text = out.read_bytes()
    assert len(text) > 2000
    assert ending != "svg" or (b"plain" in text and b"loss" in text)


def test_curves_that_cannot_be_drawn_are_named(tmp_path, capsys):
    assert main(["curves", str(tmp_path)]) == ExitCode.FAULT
    assert f"{tmp_path} holds no curves" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["curves", str(tmp_path), "--out", "curves.gif"])
    assert caught.value.code == ExitCode.USAGE


def test_test_data_in_another_order_are_refused(work_dir, tmp_path, capsys):
    words = [
        "test",
        work_dir / "small.py",
        work_dir / "best_AP.pth",
        "--work-dir",
        tmp_path,
        "--report",
        tmp_path / "r",
    ]
    shuffled = ["--cfg-options", "test_dataloader.sampler.shuffle=true"]
    assert main([*map(str, words), *shuffled]) == ExitCode.FAULT
    assert "set test_dataloader.sampler.shuffle=False" in capsys.readouterr().err
