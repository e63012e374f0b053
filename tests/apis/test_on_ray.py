import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch

from aemm.apis import Inferencer, ModelSpec, predict_on_ray
from aemm.apis.on_ray import _read_list, _Worker
from aemm.cli import main
from aemm.datasets.synthetic import SyntheticPoseDataset
from aemm.records import Instances
from tests.end_to_end import ROOT, write_config

# a transform by which a worker tells that it is at work, and works no faster than it can be killed
SLOW = """
import os
import time
from aemm.registry import TRANSFORMS

@TRANSFORMS.register_module()
class Tell:
    def __init__(self, folder):
        self.folder = folder

    def __call__(self, sample):
        open(os.path.join(self.folder, str(os.getpid())), "w").close()
        time.sleep(0.03)
        return sample
"""
EXTRA = """
custom_imports = dict(imports=["telling"])
model["decoder"]["threshold"] = 1e-5
test_dataloader = dict(batch_size=3, num_workers=0, persistent_workers=False, dataset=dict(
    length=7, image_size=64, pipeline=[dict(type="Tell", folder="{folder}/workers")]))
"""


PATIENCE = 500  # seconds
COUNT = 80  # of pictures: two blocks of lines


def trained_weights(config):
    """Seeded weights with statistics of batch norm as of a trained network, which finds something."""
    torch.manual_seed(0)
    model = Inferencer(str(config), None, "cpu").model
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model.state_dict()


def kill_one(run, folder):
    """Kill the first worker that says in a folder that it is at work."""
    end = time.monotonic() + PATIENCE
    while not (workers := os.listdir(folder)):
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
    os.kill(int(workers[0]), signal.SIGKILL)


def without_nothing(value):
    """A row of Parquet as json has it: what is not there is left out."""
    if isinstance(value, dict):
        return {key: without_nothing(one) for key, one in value.items() if one is not None}
    return [without_nothing(one) for one in value] if isinstance(value, list) else value


@pytest.fixture
def photos(tmp_path):
    """Drawn people in files of two lists, one of them relative to their folder."""
    (tmp_path / "photos").mkdir()
    drawn = SyntheticPoseDataset(COUNT, 64, seed=5)
    for i in range(COUNT):
        cv2.imwrite(str(tmp_path / f"photos/{i}.png"), drawn.load(i).image[..., ::-1])
    (tmp_path / "photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    lines = [str(tmp_path / f"photos/{i}.png") for i in range(COUNT // 2)]
    (tmp_path / "a.txt").write_text("\n".join([*lines, ""]))
    lines = [f"photos/{i}.png" for i in range(COUNT // 2, COUNT)]
    (tmp_path / "b.txt").write_text("\r\n".join(["", *lines, "photos/absent.png", str(tmp_path / "photos/broken.png")]))
    return tmp_path


@pytest.mark.slow
def test_two_workers_of_which_one_is_killed_find_what_one_process_finds(photos, monkeypatch):
    pytest.importorskip("ray", reason='pip install "aemm[ray]"')
    dataset = pytest.importorskip("pyarrow.dataset", reason='pip install "aemm[ray]"')
    (photos / "telling.py").write_text(SLOW)
    (photos / "workers").mkdir()
    monkeypatch.syspath_prepend(str(photos))
    config = write_config(photos, EXTRA.format(folder=photos))
    torch.save(trained_weights(config), photos / "weights.pth")
    first = [sys.executable, "-m", "aemm", "predict", str(config), str(photos / "weights.pth"), "--min-score", "0"]
    paths = os.pathsep.join([str(ROOT), str(photos), os.environ.get("PYTHONPATH", "")])
    place = dict(cwd=photos, env=os.environ | dict(PYTHONPATH=paths, OMP_NUM_THREADS="1"), text=True)

    words = ["a.txt", "b.txt", "--engine", "ray", "--workers", "2", "--parquet", "found"]
    run = subprocess.Popen([*first, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **place)
    try:
        kill_one(run, photos / "workers")
        out, err = run.communicate(timeout=PATIENCE)
    finally:
        run.terminate()
    assert run.returncode == 3, out + err
    assert len(os.listdir(photos / "workers")) > 1
    assert f"in {COUNT} images\n2 left out" in out
    assert not (photos / "found.part").exists()

    inputs = [name for file in ("a.txt", "b.txt") for name in (photos / file).read_text().split()]
    alone = subprocess.run([*first, *inputs, "--json", "alone.jsonl"], capture_output=True, check=False, **place)
    assert alone.returncode == 3, alone.stderr
    expected = {row["image_id"]: row for row in map(json.loads, (photos / "alone.jsonl").read_text().splitlines())}
    rows = [without_nothing(row) for row in dataset.dataset(photos / "found").to_table().to_pylist()]
    lost = {row["image_id"]: row["left_out"] for row in rows if "left_out" in row}
    assert sorted(name.rpartition("/")[2] for name in lost) == ["absent.png", "broken.png"]
    assert len(rows) == COUNT + 2
    assert {row["image_id"]: row for row in rows if row["image_id"] not in lost} == expected
    assert sum(len(row["instances"]) for row in expected.values()) > COUNT


def test_lists_name_an_input_a_line_also_such_as_are_no_text(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"a b.png\r\n\n/abs/c.png\nhttps://host/d.png\n\xff.png")
    inputs = [row["input"] for row in _read_list({"list": str(tmp_path / "list.txt")})]
    assert inputs == [b"a b.png", b"/abs/c.png", b"https://host/d.png", b"\xff.png"]


def test_a_byte_order_mark_and_lines_of_spaces_name_nothing(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfa.png\r\n  \r\n\t\nb.png")
    assert _read_list({"list": str(tmp_path / "list.txt")}) == [{"input": b"a.png"}, {"input": b"b.png"}]


def test_an_input_that_raises_an_error_is_left_out_alone():
    def look(names, account):
        for name in names:
            if name == "bad":
                raise ValueError("bad: what was found is not finite")
            yield Instances(name, (4, 6), np.zeros(0, np.float32))

    worker = object.__new__(_Worker)
    worker.inferencer = look
    rows = worker.rows(["a", "bad", "b"])
    assert [row["image_id"] for row in rows] == ["a", "bad", "b"]
    assert [row.get("left_out") for row in rows] == [None, "bad: what was found is not finite", None]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "ray"], "writes what is found to --parquet FOLDER"),
        (["--engine", "ray", "--parquet", "p", "--json", "f.json"], "leave --out-dir, --json and --arrays out"),
        (["--engine", "ray", "--parquet", "p", "--draw-threshold", "0"], "--engine ray draws nothing"),
        (["--engine", "ray", "--parquet", "p", "--pictures-as", "png"], "--engine ray draws nothing"),
        (["--engine", "ray", "--parquet", "p", "--device", "cuda:1"], "--device can only be cpu"),
        (["--json", "f.json", "--parquet", "p"], "--parquet and --workers are arguments of --engine ray"),
        (["--json", "f.json", "--workers", "2"], "--parquet and --workers are arguments of --engine ray"),
    ],
)
def test_words_that_do_not_go_together_are_refused(words, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["predict", "a.py", "b.pth", "list.txt", *words])
    assert message in capsys.readouterr().err


def test_without_ray_the_extra_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["predict", "a.py", "b.pth", "list.txt", "--engine", "ray", "--parquet", str(tmp_path / "p")]) == 1
    assert 'pip install "aemm[ray]"' in capsys.readouterr().err


class TestPlaces:
    @pytest.fixture(autouse=True)
    def _without_ray(self, monkeypatch):
        monkeypatch.setattr("aemm.apis.on_ray.need_ray", lambda: None)

    def test_a_folder_with_results_is_not_added_to(self, tmp_path):
        (tmp_path / "found").mkdir()
        (tmp_path / "found/a.parquet").touch()
        with pytest.raises(FileExistsError, match="exists and is no empty folder"):
            predict_on_ray(ModelSpec("a.py", None), [], tmp_path / "found")

    def test_what_a_stopped_run_left_is_named(self, tmp_path):
        (tmp_path / "found.part").mkdir()
        with pytest.raises(FileExistsError, match=r"found.part exists: another run writes there, or was stopped"):
            predict_on_ray(ModelSpec("a.py", None), [], tmp_path / "found")

    def test_an_address_is_no_folder(self):
        with pytest.raises(ValueError, match="expected a folder that every machine reaches, got an address"):
            predict_on_ray(ModelSpec("a.py", None), [], "s3://bucket/found")

    def test_the_command_makes_no_folder_for_an_address(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        assert main(["predict", "a.py", "b.pth", "list.txt", "--engine", "ray", "--parquet", "s3://bucket/found"]) == 1
        assert "got an address" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("data", "error", "message"),
        [
            (None, FileNotFoundError, "there is no such list of paths"),
            (b"\x89PNG\r\n\x1a\n\0\0", ValueError, "expected a list with a path a line, got a file that is no text"),
            (b"\n\r\n", ValueError, "names no input"),
        ],
    )
    def test_what_is_no_list_is_refused(self, tmp_path, data, error, message):
        if data is not None:
            (tmp_path / "photo.png").write_bytes(data)
        with pytest.raises(error, match=f"photo.png.*{message}"):
            predict_on_ray(ModelSpec("a.py", None), [tmp_path / "photo.png"], tmp_path / "found")
