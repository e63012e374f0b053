"""What README and the page on use show works: example configs load and build, and every file that is named exists."""

import re
from pathlib import Path

import pytest
import torch

from aemm.engine import load_config
from aemm.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


USE = (ROOT / "docs/use.md").read_text(encoding="utf-8")


def example(name: str, page: str = USE) -> str:
    """The code block that follows the comment `example: <name>`."""
    return re.search(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", page, re.DOTALL).group(1)


def test_the_config_for_own_keypoints_builds_a_model_of_that_many_maps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, skeleton = tmp_path / "birds.py", tmp_path / "data" / "birds" / "skeleton.json"
    skeleton.parent.mkdir(parents=True)
    skeleton.write_text(example("skeleton.json"), encoding="utf-8")
    path.write_text(example("birds.py").replace("../aemm/configs", str(ROOT / "configs")), encoding="utf-8")
    cfg = load_config(str(path))
    backbone = dict(width=16, growth=8, stacks=1)  # the published width takes seconds to build
    cfg.merge_from_dict(dict(model=dict(backbone=backbone)))
    model = MODELS.build(cfg.model).eval()
    assert model.decoder.skeleton.keypoints[2] == "beak"
    assert model.decoder.skeleton.flip_index == (1, 0, 2, 4, 3)
    with torch.no_grad():
        maps = model.head(model.backbone(torch.zeros(1, 3, 64, 64)))[-1]
    assert maps.heatmaps.shape[1] == 5
    assert maps.tags.shape[1:3] == (5, 1)


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"\b(?:tools|configs|requirements|docs)/[\w./]+\.\w+", README + USE)))
)
def test_every_file_that_readme_names_exists(name):
    assert (ROOT / name).is_file()


def test_every_make_target_that_the_guides_name_exists():
    guides = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    commands = re.findall(r"^make ([a-z ]+?)(?= *(?:#|$))|`make ([a-z]+)`", guides, re.MULTILINE)
    named = {word for command in commands for word in " ".join(command).split()}
    assert {"demo", "test", "env", "format"} <= named <= targets


def test_recipes_go_by_name_in_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(example("names"), names)
    assert names["config"].model.decoder.threshold == 0.2
    assert names["model"].decoder.skeleton.keypoints[0] == "nose"
