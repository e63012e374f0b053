"""Pictures of what a config's network is shown and asked for."""

import json

import pytest
from PIL import Image

from aemm.cli import main
from aemm.cli.outcome import ExitCode
from aemm.datasets import SyntheticPoseDataset
from tests.end_to_end import ROOT, write_config


@pytest.mark.parametrize(("part", "panels"), [("train", 3), ("val", 1)])
def test_samples_of_a_part_are_drawn_large_enough_to_see(tmp_path, part, panels):
    words = ["browse", str(write_config(tmp_path)), "--part", part, "--limit", "3", "--out-dir", str(tmp_path / "out")]
    assert main(words) == ExitCode.DONE
    pictures = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in pictures] == [f"{n:06d}_{n}.png" for n in ((0, 4, 8) if panels == 3 else (0, 2, 4))]
    assert Image.open(pictures[0]).width == 384 * panels + 2 * (panels - 1)


def test_masks_are_drawn_too(tmp_path):
    recipe = str(ROOT / "configs/synthetic/instance_hourglass_tiny_128.py")
    assert main(["browse", recipe, "--limit", "1", "--out-dir", str(tmp_path / "masks")]) == ExitCode.DONE
    assert len(list((tmp_path / "masks").iterdir())) == 1


def test_another_seed_draws_other_augmentations(tmp_path):
    path = str(
        write_config(
            tmp_path,
            "\ntrain_dataloader['dataset']['pipeline'] = ["
            "dict(type='RandomAffine', size=64), dict(type='PoseTargets', strides=[4], sigma=1.0)]\n",
        )
    )
    shown = []
    for seed in ("0", "0", "1"):
        out = tmp_path / f"out{len(shown)}"
        assert main(["browse", path, "--limit", "1", "--seed", seed, "--out-dir", str(out)]) == ExitCode.DONE
        shown.append(next(out.iterdir()).read_bytes())
    assert shown[0] == shown[1] != shown[2]


def test_a_part_that_a_config_lacks_is_told(tmp_path, capsys):
    path = write_config(tmp_path, "\ntest_dataloader = test_cfg = test_evaluator = None\n")
    assert main(["browse", str(path), "--part", "test", "--out-dir", str(tmp_path / "out")]) == ExitCode.FAULT
    assert "has no test_dataloader; it has data for train, val" in capsys.readouterr().err


def test_an_image_that_cannot_be_read_is_listed_and_the_rest_is_drawn(tmp_path, capsys):
    SyntheticPoseDataset(12, 64).export_coco(tmp_path / "people")
    assert main(["init", str(tmp_path / "people"), "--out", str(tmp_path / "five"), "--yes"]) == ExitCode.DONE
    first = json.loads((tmp_path / "five/train.json").read_text())["images"][0]["file_name"]
    (tmp_path / "people/images" / first).write_bytes(b"no image")
    words = ["browse", str(tmp_path / "five/five.py"), "--limit", "3", "--out-dir", str(tmp_path / "out")]
    assert main(words) == ExitCode.LEFT_OUT
    shown = capsys.readouterr()
    assert "2 pictures: " in shown.out
    assert "1 of 3 images cannot be read:\n  - " in shown.err
    assert first in shown.err
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_data_that_are_not_there_are_the_users_fault(tmp_path, capsys):
    assert main(["browse", "hourglass_tiny_coco_mini", "--out-dir", str(tmp_path / "out")]) == ExitCode.FAULT
    assert "does not exist" in capsys.readouterr().err
