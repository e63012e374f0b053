"""What users get wrong, and the message each gets: no traceback, the file, the field, what to do."""

import json

import cv2
import numpy as np
import pytest

from aemm.datasets import SyntheticPoseDataset
from tests.end_to_end import check, run_tool, write_config
from tests.messages import check_listed


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An exported synthetic set of ten images, and a config that trains on it."""
    root = tmp_path_factory.mktemp("data")
    SyntheticPoseDataset(length=10, image_size=64).export_coco(root)
    return root


def _config(tmp_path, folder, ann_file="annotations.json", extra=""):
    data = f'dict(_delete_=True, type="CocoPoseDataset", ann_file="{ann_file}", img_dir="{folder}/images", '
    data += f'data_root="{folder}", pipeline={{{{_base_.train_pipeline}}}})'
    return write_config(tmp_path, f"\ntrain_dataloader = dict(batch_size=5, dataset={data})\n{extra}")


def _message(*command):
    result = run_tool("tools/train.py", *command)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    return _documented(result.stderr)


def _documented(stderr):
    """The message of an error, which the documentation lists."""
    message = stderr[stderr.index("\nerror: ") :]
    check_listed(message.removeprefix("\nerror: "))
    return message


def _edited(folder, tmp_path, change):
    data = json.loads((folder / "annotations.json").read_text())
    change(data)
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(data))
    return str(path)


def test_wrong_number_of_keypoints(folder, tmp_path):
    def change(data):
        data["annotations"][0]["keypoints"] = data["annotations"][0]["keypoints"][:42]

    message = _message(_config(tmp_path, folder, _edited(folder, tmp_path, change)), "--work-dir", tmp_path / "run")
    assert "edited.json has 1 fault" in message
    assert "annotation 1: keypoints must hold 3 x 17 numbers (x, y, visibility), got 42 numbers" in message


def test_a_file_without_people(folder, tmp_path):
    path = _edited(folder, tmp_path, lambda data: data.update(annotations=[]))
    message = _message(_config(tmp_path, folder, path), "--work-dir", tmp_path / "run")
    assert "nobody in it has a keypoint" in message


def test_a_missing_image(folder, tmp_path):
    path = _edited(folder, tmp_path, lambda data: data["images"][2].update(file_name="lost.png"))
    message = _message(_config(tmp_path, folder, path), "--work-dir", tmp_path / "run")
    assert "1 of 10 files are not in" in message
    assert "lost.png" in message


def test_a_corrupt_jpeg_in_the_middle_of_an_epoch(folder, tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    whole = cv2.imencode(".jpg", image)[1].tobytes()
    (folder / "images" / "broken.jpg").write_bytes(whole[: len(whole) // 2])
    path = _edited(folder, tmp_path, lambda data: data["images"][5].update(file_name="broken.jpg"))
    message = _message(_config(tmp_path, folder, path), "--work-dir", tmp_path / "run")
    assert "broken.jpg cannot be decoded" in message
    assert "on_unreadable='next'" in message
    lenient = _config(tmp_path, folder, path, 'train_dataloader["dataset"]["on_unreadable"] = "next"\n')
    output = check(run_tool("tools/train.py", lenient, "--work-dir", tmp_path / "lenient"))
    assert "1 image cannot be read so far; the log file lists each" in output
    log = next((tmp_path / "lenient").glob("*/*.log")).read_text()
    assert log.count("broken.jpg cannot be decoded") == 1


def test_a_misspelt_key(tmp_path):
    config = write_config(tmp_path, "\nmodel = dict(backbone=dict(stackz=2))\noptim_wraper = dict()\n")
    message = _message(config, "--work-dir", tmp_path / "run")
    assert "model.backbone: HourglassAE has no argument 'stackz'; did you mean 'stacks'" in message
    assert "optim_wraper: nothing reads this key; did you mean 'optim_wrapper'?" in message


def test_a_misspelt_override(tmp_path):
    options = ("--cfg-options", "modle.backbone.stacks=1")
    message = _message(write_config(tmp_path), "--work-dir", tmp_path / "run", *options)
    assert "the config has no 'modle', did you mean 'model'?" in message


def test_fewer_images_than_a_batch(folder, tmp_path):
    options = ("--cfg-options", "train_dataloader.batch_size=11")
    message = _message(_config(tmp_path, folder), "--work-dir", tmp_path / "run", *options)
    assert "(CocoPoseDataset) has 10 samples, which fill no batch of 11" in message
    assert "set batch_size to 10 at most, or drop_last=False" in message


def test_an_unknown_type(tmp_path):
    config = write_config(tmp_path, '\nmodel = dict(head=dict(type="AEHeda"))\n')
    message = _message(config, "--work-dir", tmp_path / "run")
    assert "model.head.type: type 'AEHeda' is not in the registry 'aemm::model'" in message
    assert "did you mean 'AEHead'" in message


def test_a_checkpoint_of_another_model(tmp_path):
    config = write_config(tmp_path)
    short = ("--cfg-options", "train_cfg.max_epochs=1")
    check(run_tool("tools/train.py", config, "--work-dir", tmp_path / "run", *short))
    wider = ("--cfg-options", "model.backbone.width=12")
    result = run_tool("tools/test.py", config, tmp_path / "run" / "epoch_1.pth", "--work-dir", tmp_path / "t", *wider)
    assert result.returncode == 1
    assert "the checkpoint was made by another model" in _documented(result.stderr)
    assert "backbone.stem.4.conv.weight is (8, 8, 3, 3) in the checkpoint, (12, 8, 3, 3) in the model" in result.stderr


def test_a_work_dir_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    message = _message(write_config(tmp_path), "--work-dir", tmp_path / "file" / "run")
    assert "cannot be written to" in message
    assert "--work-dir" in message


def test_a_config_or_checkpoint_that_is_not_there(tmp_path):
    assert "config nothing.py does not exist" in _message("nothing.py")
    result = run_tool("tools/test.py", write_config(tmp_path), "nothing.pth", "--work-dir", tmp_path / "run")
    assert result.returncode == 1
    assert "checkpoint nothing.pth does not exist" in _documented(result.stderr)
