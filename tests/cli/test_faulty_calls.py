"""Faulty calls of every command and tool: each ends with its exit code and a message, none with a traceback."""

import shlex
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from scipy.io import savemat

from aemm.cli import main
from aemm.cli.outcome import run
from aemm.engine.launch import build_model
from tests.end_to_end import ROOT, write_config
from tools.analysis_tools import decoding_cap, instance_decode_cap, recipe_table
from tools.dataset_tools import join_annotations, mpii_to_coco

TOOLS = {
    "decoding_cap": decoding_cap,
    "instance_decode_cap": instance_decode_cap,
    "join_annotations": join_annotations,
    "mpii_to_coco": mpii_to_coco,
    "recipe_table": recipe_table,
}
NO_TEST = "\ntest_dataloader = test_cfg = test_evaluator = None\n"
CONFIGS = {
    "empty.py": "",
    "syntax.py": "model = = 3\n",
    "name.py": "model = missing_name\n",
    "raises.py": "raise RuntimeError('no')\n",
    "null.py": "a = 1\0\n",
    "lost_base.py": "_base_ = ['gone.py']\n",
    "own_base.py": "_base_ = ['own_base.py']\n",
    "config.txt": "a = 3\n",
    "broken.json": "{",
    "headless.py": "default_scope = 'aemm'\nmodel = dict(type='Embedder')\n",
    "instance.py": f"_base_ = ['{ROOT}/configs/synthetic/instance_hourglass_tiny_128.py']\n",
}


class Harmful:
    def __reduce__(self):
        return print, ("code of the file was run",)


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """A folder of good and of faulty files."""
    root = tmp_path_factory.mktemp("field")
    small = write_config(root).read_text()
    for name, text in CONFIGS.items():
        (root / name).write_text(text)
    (root / "no_test.py").write_text(small + NO_TEST)
    (root / "wider.py").write_text(small + "\nmodel = dict(backbone=dict(width=12))\n")
    for name in ("folder", "nothing", "used"):
        (root / name).mkdir()
    (root / "used" / "epoch_3.pth").touch()
    random = np.random.default_rng(0)
    for name in ("junk.py", "junk.pth", "junk.mat", "junk.png", "junk.mp4", "junk.json"):
        (root / name).write_bytes(random.bytes(3000))
    for name in ("empty.pth", "empty.png", "empty.json"):
        (root / name).touch()
    (root / "text.pth").write_text("hello\n")
    (root / "file").write_text("x")
    people = '"categories": [{"id": 1, "name": "person", "keypoints": ["nose"]}], "annotations": []'
    (root / "lost_people.json").write_text('{"images": [], ' + people + "}")
    (root / "other.json").write_text('{"a": 1}')
    savemat(root / "other.mat", {"x": 1})
    cv2.imwrite(str(root / "image.png"), np.zeros((64, 64, 3), np.uint8))
    weights = build_model(str(root / "small.py")).state_dict()
    checkpoints = {
        "good": {"state_dict": weights},
        "part": {"state_dict": dict(list(weights.items())[:3])},
        "number": {"state_dict": 3},
        "words": {"state_dict": {"a": "text"}},
        "weightless": {"optimizer": {}},
        "tensor": torch.zeros(3),
        "harmful": {"state_dict": {}, "meta": Harmful()},
        "instance": {"state_dict": build_model(str(root / "instance.py")).state_dict()},
    }
    for name, content in checkpoints.items():
        torch.save(content, root / f"{name}.pth")
    return root


@pytest.fixture(autouse=True)
def fresh_console(monkeypatch):
    """A log opened by one test must not speak to the captured console of another; no test shows tracebacks."""
    MMLogger._instance_dict.clear()
    monkeypatch.delenv("AEMM_TRACEBACK", raising=False)


def ending(words):
    """The exit code of a command or tool."""
    name, *rest = shlex.split(words)
    try:
        if name not in TOOLS:
            return main([name, *rest])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [name, *rest])
            return run(TOOLS[name].main)
    except SystemExit as end:
        return end.code


def check(words, code, message, capsys):
    got = ending(words)
    out, err = capsys.readouterr()
    assert message in err
    assert got == code, err
    assert "Traceback" not in err
    assert "code of the file was run" not in out


# every command line that argparse refuses; nothing is done
USAGE = [
    ("convert-data", "FORMAT"),
    ("convert-data word x --out o", "FORMAT: invalid choice: 'word'"),
    ("convert-data cvat x.xml", "--out"),
    ("convert-data sleap x.slp --out o --images .", "--images is not for sleap"),
    ("check-data", "config"),
    ("check-data people.json", "an annotation file needs the folder of its images"),
    ("check-data PEOPLE.JSON", "an annotation file needs the folder of its images"),
    ("check-data small.py --skeleton coco", "--skeleton and --category are for an annotation file"),
    ("check-data people.json . --cfg-options a=1", "--cfg-options are for a config"),
    ("train", "config"),
    ("train small.py --seed -1", "--seed: expected a whole number from 0 to 4294967295, got '-1'"),
    ("train small.py --seed 4294967296", "--seed"),
    ("train small.py --seed x", "--seed"),
    ("train small.py --launcher mpi", "--launcher: invalid choice: 'mpi'"),
    ("train small.py --cfg-options a", "--cfg-options: expected KEY=VALUE, got 'a'"),
    ("train small.py --cfg-options =3", "expected KEY=VALUE, got '=3'"),
    ("train small.py --auto-batch --scale-lr", "not allowed with argument --auto-batch"),
    ("train small.py other.py", "unrecognized arguments: other.py"),
    ("test small.py", "checkpoint"),
    ("test small.py good.pth --show-limit 3", "give --show-dir, too"),
    ("test small.py good.pth --show-dir p --show-limit 0", "--show-limit: expected a whole number of at least 1"),
    ("test small.py good.pth --show-dir p --show-limit x", "--show-limit"),
    ("test small.py good.pth --scales 0", "--scales: expected a number above 0, got '0'"),
    ("test small.py good.pth --scales nan", "--scales"),
    ("test small.py good.pth --scales 1 x", "--scales"),
    ("test small.py good.pth --scales", "--scales: expected at least one argument"),
    ("predict small.py good.pth image.png", "--out-dir, --json or both"),
    ("predict small.py good.pth --json o.json", "input"),
    ("predict small.py good.pth image.png --json", "--json: expected one argument"),
    ("oracle small.py good.pth --limit 0", "--limit"),
    ("oracle small.py good.pth --limit 1.5", "--limit"),
    ("oracle small.py good.pth --sigma 0", "--sigma: expected a number above 0"),
    ("oracle small.py good.pth --sigma inf", "--sigma"),
    ("oracle small.py good.pth --style round", "--style: invalid choice: 'round'"),
    ("complexity", "configs"),
    ("complexity --size 0 64 small.py", "--size"),
    ("complexity --size 64 small.py", "--size"),
    ("complexity small.py --size 64", "--size: expected 2 arguments"),
    ("convert good.pth small.py t.pth", "--layout"),
    ("convert --layout caffe good.pth small.py t.pth", "--layout: invalid choice: 'caffe'"),
    ("convert --layout newell good.pth small.py", "target"),
    ("publish good.pth", "target"),
    ("map-keypoints good.pth small.py small.py", "target"),
    ("map-keypoints good.pth small.py small.py t.pth --seed -1", "--seed"),
    ("replay good.pth", "config"),
    ("decoding_cap", "annotations"),
    ("decoding_cap other.json --stride 0", "--stride"),
    ("decoding_cap other.json --fit both", "--fit: invalid choice: 'both'"),
    ("instance_decode_cap instance.py --length 0", "--length"),
    ("instance_decode_cap instance.py --noise loud", "--noise"),
    ("join_annotations other.json", "--out"),
    ("mpii_to_coco other.mat", "groups"),
    ("recipe_table --every", "--every"),
]


@pytest.mark.parametrize(("words", "message"), USAGE, ids=[words for words, _ in USAGE])
def test_a_wrong_command_line_is_usage(field, words, message, monkeypatch, capsys):
    monkeypatch.chdir(field)
    check(words, 2, message, capsys)


READING = "train {} --work-dir w", "complexity {}", "predict {} good.pth image.png --json o.json"
CONFIG_FAULTS = [
    ("gone.py", "gone.py does not exist"),
    ("folder", "folder"),
    ("empty.py", "empty.py lacks model"),
    ("junk.py", "junk.py"),
    ("syntax.py", "syntax.py"),
    ("name.py", "missing_name"),
    ("raises.py", "raises.py"),
    ("null.py", "null.py"),
    ("lost_base.py", "gone.py"),
    ("own_base.py", "own_base.py"),
    ("config.txt", "py"),
    ("broken.json", "broken.json"),
]


@pytest.mark.parametrize("command", READING, ids=lambda command: command.partition(" ")[0])
@pytest.mark.parametrize(("config", "message"), CONFIG_FAULTS, ids=[config for config, _ in CONFIG_FAULTS])
def test_a_config_that_cannot_be_used(field, command, config, message, monkeypatch, capsys):
    monkeypatch.chdir(field)
    check(command.format(config), 1, message, capsys)


LOADING = (
    "test small.py {} --work-dir w",
    "predict small.py {} image.png --json o.json",
    "oracle small.py {} --limit 1",
    "convert --layout newell {} small.py t.pth",
    "map-keypoints {} small.py small.py t.pth",
    "publish {} published",
    "replay {} small.py",
)
CHECKPOINT_FAULTS = [
    ("gone.pth", "gone.pth does not exist"),
    ("folder", "folder"),
    ("empty.pth", "empty.pth"),
    ("junk.pth", "junk.pth"),
    ("text.pth", "text.pth"),
    ("tensor.pth", "must hold a dict, got Tensor"),
    ("number.pth", "holds no "),
    ("words.pth", ""),
    ("weightless.pth", ""),
    ("harmful.pth", "could run any code"),
]


@pytest.mark.parametrize("command", LOADING, ids=lambda command: command.partition(" ")[0])
@pytest.mark.parametrize(("checkpoint", "message"), CHECKPOINT_FAULTS, ids=[name for name, _ in CHECKPOINT_FAULTS])
def test_a_checkpoint_that_cannot_be_used(field, command, checkpoint, message, monkeypatch, capsys):
    monkeypatch.chdir(field)
    check(command.format(checkpoint), 1, message, capsys)
    assert not (field / "t.pth").exists()
    assert not list(field.glob("published*"))


FAULTS = [
    ("convert-data cvat gone.xml --out o", "gone.xml does not exist"),
    ("convert-data cvat junk.json --out o", "junk.json has 1 fault"),
    ("convert-data labelme other.json --out o", "expected an object with shapes and imagePath"),
    ("convert-data labelme folder --out o", "no json file of labelme in it"),
    ("convert-data coco-points lost_people.json --out o", "no keypoint is left to write"),
    ("convert-data yolo-pose other.json --out file/o", "choose another --out"),
    ("check-data no_recipe", "config no_recipe does not exist, and no recipe has that name"),
    ("check-data gone.json .", "annotation file gone.json does not exist"),
    ("check-data other.json .", "key 'images' is missing"),
    ("check-data lost_people.json . --page page.html", "1 fault in the data, listed above"),
    ("check-data lost_people.json . --page file/page.html", "choose another --page"),
    ("check-data lost_people.json . --skeleton gone", "skeleton 'gone' is neither a known name"),
    ("train small.py --work-dir file", "file cannot be written to"),
    ("train small.py --work-dir file/run", "choose another --work-dir"),
    ("train small.py --work-dir w --launcher pytorch", "the environment lacks RANK"),
    ("train small.py --work-dir w --launcher slurm", "the environment lacks SLURM_PROCID"),
    ("train small.py --work-dir w --cfg-options modle.x=1", "did you mean 'model'"),
    ("train small.py --work-dir w --cfg-options model.backbone.stackz=1", "did you mean 'stacks'"),
    ("train small.py --work-dir w --cfg-options model.head.type=AEHaed", "did you mean 'AEHead'"),
    ("train small.py --work-dir w --cfg-options train_cfg.max_epochs=[1,2", "brackets of the value do not match"),
    ("train small.py --work-dir w --cfg-options train_cfg.max_epochs=0", ""),
    ("train small.py --work-dir w --cfg-options train_dataloader.dataset.image_size=7", "got 7"),
    ("train small.py --work-dir w --cfg-options train_cfg.max_epochs=abc", "train_cfg.max_epochs"),
    ("train small.py --work-dir w --cfg-options train_dataloader.batch_size=0", "train_dataloader.batch_size"),
    ("train small.py --work-dir w --cfg-options train_dataloader.num_workers=x", "train_dataloader.num_workers"),
    ("train small.py --work-dir w --cfg-options train_dataloader.dataset.length=0", "holds no sample"),
    ("train small.py --work-dir w --cfg-options optim_wrapper.optimizer.lr=abc", "optim_wrapper"),
    ("train small.py --work-dir w --cfg-options optim_wrapper.optimizer.lrr=1", "lrr"),
    ("train small.py --work-dir w --cfg-options model=3", "model: must be a dict"),
    ("train small.py --work-dir w --cfg-options model.backbone=3", "model.backbone: must be a dict"),
    ("train small.py --work-dir w --cfg-options default_hooks.checkpoint.save_best=coco/XX", "save_best"),
    ("train small.py --work-dir w --cfg-options randomness.seed=x", "randomness.seed: must be a whole number"),
    ("train small.py --work-dir w --cfg-options default_scope=nope", "default_scope: must be 'aemm'"),
    ("train small.py --work-dir w --cfg-options model.backbone.width=abc", "width: must be a whole number"),
    ("train small.py --work-dir w --cfg-options log_level=LOUD", "log_level: must be DEBUG"),
    ("train small.py --work-dir w --cfg-options load_from=gone.pth", "gone.pth does not exist"),
    ("train small.py --work-dir w --resume gone.pth", "gone.pth does not exist"),
    ("train small.py --work-dir w --resume junk.pth", "junk.pth"),
    ("train small.py --work-dir w --resume good.pth", "cannot be resumed from"),
    ("train small.py --work-dir w --resume part.pth", "cannot be resumed from"),
    ("train small.py --work-dir used", "used holds checkpoints of an earlier run"),
    ("test no_test.py good.pth --work-dir w", "lacks test_dataloader, test_cfg, test_evaluator"),
    ("test small.py good.pth --work-dir file", "file cannot be written to"),
    ("test small.py good.pth --work-dir w --dump folder", "it is a folder, not a file"),
    ("test small.py good.pth --work-dir w --dump file/found.json", "choose another --dump"),
    ("test small.py good.pth --work-dir w --dump good.pth", "it is also what is read"),
    ("test small.py good.pth --work-dir w --dump found.unknown", "found.unknown"),
    ("test small.py good.pth --work-dir w --show-dir file", "choose another --show-dir"),
    ("test small.py part.pth --work-dir w", "made by another model"),
    ("test small.py instance.pth --work-dir w", "made by another model"),
    ("test instance.py good.pth --work-dir w", "made by another model"),
    ("test small.py good.pth --work-dir w --cfg-options test_evaluator.type=Nope", "Nope"),
    ("test small.py good.pth --work-dir w --cfg-options test_dataloader.dataset.length=0", "holds no sample"),
    ("test small.py good.pth --work-dir w --scales 1 1", "different positive numbers"),
    ("test small.py good.pth --work-dir w --device toaster", "--device toaster cannot be used"),
    ("predict no_test.py good.pth image.png --json o.json", "lacks test_dataloader"),
    ("predict small.py instance.pth image.png --json o.json", "made by another model"),
    ("predict small.py good.pth image.png --json folder", "it is a folder, not a file"),
    ("predict small.py good.pth image.png --json file/o.json", "choose another --json"),
    ("predict small.py good.pth image.png --json image.png", "it is also what is read"),
    ("predict small.py good.pth image.png --out-dir file", "choose another --out-dir"),
    ("predict small.py good.pth image.png --out-dir file/x", "choose another --out-dir"),
    ("predict small.py good.pth image.png --json o.json --device toaster", "--device toaster cannot be used"),
    ("predict small.py good.pth image.png --json o.json --device cuda:99", "--device cuda:99 cannot be used"),
    ("predict small.py good.pth gone.png --json o.json", "gone.png does not exist"),
    ("predict small.py good.pth junk.png --json o.json", "junk.png"),
    ("predict small.py good.pth empty.png --json o.json", "empty.png"),
    ("predict small.py good.pth junk.mp4 --json o.json", "junk.mp4"),
    ("predict small.py good.pth file --json o.json", "file"),
    ("predict small.py good.pth nothing --json o.json", "nothing"),
    ("predict small.py good.pth image.png --json o.json --cfg-options model.tta.flip=3", "model.tta"),
    ("oracle small.py good.pth --cfg-options test_dataloader.dataset.length=0", ""),
    ("complexity small.py gone.py", "gone.py does not exist"),
    ("complexity headless.py", "Embedder needs backbone, head, decoder"),
    ("complexity --size 33 35 small.py", "multiples of 16"),
    ("convert --layout newell good.pth small.py folder", "it is a folder, not a file"),
    ("convert --layout newell good.pth small.py good.pth", "it is also what is read"),
    ("convert --layout newell good.pth small.py file/t.pth", "choose another target"),
    ("convert --layout newell good.pth gone.py t.pth", "gone.py does not exist"),
    ("convert --layout newell good.pth empty.py t.pth", "lacks model"),
    ("convert --layout newell good.pth small.py t.pth", "does not fit the model"),
    ("publish good.pth file/x", "choose another target"),
    ("map-keypoints good.pth gone.py small.py t.pth", "gone.py does not exist"),
    ("map-keypoints good.pth small.py instance.py t.pth", "no skeleton"),
    ("map-keypoints good.pth small.py wider.py t.pth", "another model"),
    ("map-keypoints good.pth small.py small.py good.pth", "it is also what is read"),
    ("replay good.pth small.py", "good.pth"),
    ("replay good.pth gone.py", "gone.py does not exist"),
    ("decoding_cap gone.json", "gone.json"),
    ("decoding_cap folder", "folder"),
    ("decoding_cap junk.json", "junk.json"),
    ("decoding_cap empty.json", "empty.json"),
    ("decoding_cap other.json", "other.json"),
    ("instance_decode_cap gone.py", "gone.py does not exist"),
    ("instance_decode_cap small.py", "InstanceDecoder"),
    ("join_annotations gone.json --out joined.json", "gone.json"),
    ("join_annotations junk.json --out joined.json", "junk.json"),
    ("join_annotations other.json --out joined.json", "other.json"),
    ("join_annotations other.json --out other.json", "it is also what is read"),
    ("join_annotations other.json --out file/joined.json", "choose another --out"),
    ("recipe_table pose/nothing", "pose/nothing"),
    ("mpii_to_coco other.mat gone.mat folder", "gone.mat"),
    ("mpii_to_coco junk.mat junk.mat folder", "junk.mat"),
    ("mpii_to_coco other.mat other.mat folder", "other.mat has no variable"),
    ("mpii_to_coco other.mat other.mat folder --val-list junk.json", "junk.json"),
    ("mpii_to_coco other.mat other.mat folder --out file", "choose another --out"),
]


@pytest.mark.parametrize(("words", "message"), FAULTS, ids=[words for words, _ in FAULTS])
def test_a_faulty_call(field, words, message, monkeypatch, capsys):
    monkeypatch.chdir(field)
    check(words, 1, message, capsys)
    assert not (field / "t.pth").exists()


def test_what_is_left_out_is_listed_and_has_a_code_of_its_own(field, monkeypatch, capsys):
    monkeypatch.chdir(field)
    assert ending("predict small.py good.pth image.png junk.png gone.png --json left_out.json") == 3
    shown = capsys.readouterr()
    assert "from 1 of 3 inputs" in shown.out
    assert "junk.png" in shown.out
    assert "gone.png" in shown.out
    assert shown.err == ""


def test_there_are_many():
    count = len(USAGE) + len(READING) * len(CONFIG_FAULTS) + len(LOADING) * len(CHECKPOINT_FAULTS) + len(FAULTS)
    assert count >= 220
