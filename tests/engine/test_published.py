"""Published weights are fetched, checked, converted by their layout and kept; nothing in them is run."""

import hashlib
import io
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from aemm.apis import Inferencer
from aemm.cli import main
from aemm.cli.arguments import PUBLISHED as WORD
from aemm.cli.outcome import ExitCode
from aemm.engine import published
from aemm.engine.published import PUBLISHED, published_weights
from aemm.formats.checkpoint import CheckpointError, read_checkpoint
from aemm.formats.recipes import Published, Recipe, find_recipe
from aemm.registry import MODELS
from tests.end_to_end import ROOT
from tests.engine.test_convert import higherhrnet, mmpose, newell
from tests.local_server import serving
from tests.networks import SMALL

LAYOUTS = {
    "newell": ("hourglass4_coco_512", newell),
    "higherhrnet": ("higherhrnet_w32_coco_512", higherhrnet),
    "mmpose": ("hrnet_w32_coco_512", mmpose("keypoint_head", "HRNet")),
}


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("AEMM_HOME", str(tmp_path / "home"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving({}) as served:
        yield served


@pytest.fixture
def offered(server, tmp_path, monkeypatch):
    """A function that makes a small recipe of a layout, whose weights the server has."""

    def offer(layout, hashed=True, address=True, content=None):
        stem, foreign = LAYOUTS[layout]
        path = tmp_path / f"{stem}.py"
        kind = Config.fromfile(ROOT / f"configs/pose/{stem}.py").model.backbone.type
        small = dict(SMALL[kind], init_cfg=None) | (dict(stacks=2) if kind == "HourglassAE" else {})
        path.write_text(f'_base_ = ["{ROOT}/configs/pose/{stem}.py"]\nmodel = dict(backbone={small!r})\n')
        if content is None:
            torch.manual_seed(0)
            state = MODELS.build(Config.fromfile(path).model).state_dict()
            buffer = io.BytesIO()
            torch.save({"state_dict": {foreign(name): value for name, value in state.items()}}, buffer)
            content = buffer.getvalue()
        server.files[f"/{stem}.pth"] = content
        digest = hashlib.sha256(content).hexdigest()[:8] if hashed else None
        where = f"{server.address}/{stem}.pth" if address else None
        weights = Published(layout, where, None if address else "https://example.org/page", digest)
        recipe = Recipe(f"pose/{stem}", path, 1, (), "somebody", weights)
        monkeypatch.setattr(published, "find_recipe", lambda name: recipe)
        monkeypatch.setattr(published, "recipe_path", lambda name: path)
        return recipe

    return offer


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_fetched_converted_and_kept(offered, server, layout):
    recipe = offered(layout)
    first = published_weights(recipe.name)
    torch.manual_seed(0)
    expected = MODELS.build(Config.fromfile(recipe.path).model).state_dict()
    state = read_checkpoint(first)["state_dict"]
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    server.files.clear()  # from here on offline
    assert published_weights(recipe.name) == first
    assert len(server.asked) == 1
    assert recipe.published.sha256 in first.name


def test_several_processes_convert_a_file_once(offered, monkeypatch):
    recipe, done, converted = offered("mmpose"), [], []
    convert = published.convert_file

    def told(*words):
        converted.append(words)
        return convert(*words)

    monkeypatch.setattr(published, "convert_file", told)
    threads = [threading.Thread(target=lambda: done.append(published_weights(recipe.name))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(done), len(set(done)), len(converted)) == (3, 1, 1)


def test_a_cache_that_cannot_be_written_is_told_before_the_download(offered, server, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AEMM_HOME", str(tmp_path / "file"))
    with pytest.raises(PermissionError, match=r"is not below a folder.*choose another folder by AEMM_HOME"):
        published_weights(offered("mmpose").name)
    assert not server.asked


def test_an_inferencer_of_a_name_fetches_and_predicts(offered, server):
    recipe = offered("mmpose")
    image = np.zeros((64, 64, 3), np.uint8)
    for _ in range(2):
        assert Inferencer(str(recipe.path), device="cpu", flip=False).predict(image).keypoints.shape[1:] == (17, 2)
    assert len(server.asked) == 1


def test_predict_takes_the_name_of_a_network(offered, tmp_path, monkeypatch, capsys):
    recipe = offered("mmpose")
    picture = tmp_path / "black.png"
    __import__("cv2").imwrite(str(picture), np.zeros((64, 64, 3), np.uint8))
    words = [str(picture), "--no-flip", "--model", str(recipe.path), "--json", str(tmp_path / "found.json")]
    assert main(["predict", *words]) == ExitCode.DONE
    assert (tmp_path / "found.json").is_file()
    assert recipe.path.name in capsys.readouterr().err  # the progress


def test_a_wrong_hash_is_refused_before_anything_is_read(offered, server):
    recipe = offered("mmpose")
    server.files["/hrnet_w32_coco_512.pth"] += b"x"
    with pytest.raises(CheckpointError, match="SHA-256 begins with"):
        published_weights(recipe.name)
    assert not list(Path(published.converted_file(recipe).parents[1]).rglob("*.pth"))


class Danger:
    """Says so if it is unpickled."""

    def __reduce__(self):
        return print, ("unpickled",)


def test_a_file_that_holds_code_runs_none(offered, capsys):
    buffer = io.BytesIO()
    torch.save(dict(state_dict=Danger()), buffer)
    for content in (buffer.getvalue(), pickle.dumps(Danger())):
        recipe = offered("mmpose", content=content)
        with pytest.raises(CheckpointError):
            published_weights(recipe.name)
    assert "unpickled" not in capsys.readouterr().out


def test_weights_of_another_network_are_refused(offered, server):
    offered("higherhrnet")
    content = server.files["/higherhrnet_w32_coco_512.pth"]
    recipe = offered("mmpose", content=content)
    with pytest.raises(CheckpointError, match=r"w32_coco_512\.pth does not fit the model"):
        published_weights(recipe.name)
    assert not published.converted_file(recipe).exists()


def test_a_file_fetched_by_hand_is_taken(offered, server, tmp_path):
    recipe = offered("newell", hashed=False, address=False)
    with pytest.raises(
        CheckpointError, match=r"page for people: .*aemm models get pose/hourglass4_coco_512 --file FILE"
    ):
        published_weights(recipe.name)
    (tmp_path / "by_hand.tar").write_bytes(server.files["/hourglass4_coco_512.pth"])
    assert main(["models", "get", recipe.name, "--file", str(tmp_path / "by_hand.tar")]) == ExitCode.DONE
    assert published_weights(recipe.name).name == "hourglass4_coco_512.pth"
    assert not server.asked
    with pytest.raises(FileNotFoundError, match="--file nothing does not exist"):
        published_weights(recipe.name, file="nothing")


def test_what_nobody_published_is_said():
    with pytest.raises(CheckpointError, match=r"nobody published weights for synthetic/pose_hourglass.*hrnet_w32"):
        published_weights("pose_hourglass_tiny_128")
    with pytest.raises(FileNotFoundError, match=r"c\.py is no recipe of aemm.*name a checkpoint"):
        published.weights_or_published("c.py", PUBLISHED)
    assert WORD == PUBLISHED
    assert published.weights_or_published("c.py", "d.pth") == "d.pth"


@pytest.mark.parametrize("words", [["get"], ["list", "--file", "x"], ["get", "a", "b", "--file", "x"], ["drop"]])
def test_a_wrong_command_line_of_models_is_usage(words):
    with pytest.raises(SystemExit) as caught:
        main(["models", *words])
    assert caught.value.code == ExitCode.USAGE


def test_recipes_are_listed_with_size_figure_source_and_weights(capsys):
    assert main(["models", "list", "hrnet", "w32_coco_512"]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert "28.6 M" in shown
    assert "AP .677 COCO val2017, flip" in shown
    assert "mmpose 0.29" in shown
    assert find_recipe("higherhrnet_w32_coco_512").name in shown
    assert main(["models", "list", "nothing like it"]) == ExitCode.FAULT
