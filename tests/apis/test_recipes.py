"""Recipes by name, from aemm and from mmengine's hub."""

import sys

import pkg_resources
import pytest
from mmengine import hub
from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE

import aemm  # noqa: F401 - announces itself to the hub
from aemm.announce import _AFTER, _Listener
from aemm.apis import get_config, get_model
from tests.end_to_end import ROOT


def test_a_config_is_loaded_and_overridden_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = get_config("synthetic/pose_hourglass_tiny_128", {"train_cfg.max_epochs": 1})
    assert cfg.train_cfg.max_epochs == 1
    assert get_config("pose_hourglass_tiny_128").model == cfg.model


def test_a_model_is_built_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert get_model("pose_hourglass_tiny_128", {"model.head.num_heatmaps": 17}).decoder.skeleton.keypoints[0] == "nose"


def test_an_unknown_recipe_names_its_neighbours():
    with pytest.raises(FileNotFoundError, match="did you mean synthetic/pose_hourglass_tiny_128"):
        get_config("pose_hourglas_tiny_128")


def test_the_hub_of_mmengine_finds_recipes_and_the_addresses_of_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = hub.get_config("aemm::pose/hrnet_w32_coco_512.py", pretrained=True)
    assert found.model == Config.fromfile(ROOT / "configs/pose/hrnet_w32_coco_512.py").model
    assert found.model_path.endswith("hrnet_w32_coco_512x512-bcb8c247_20200816.pth")
    assert hub.get_config("aemm::_base_/models/hrnet_ae.py").model.backbone.type == "HRNet"


def test_a_config_elsewhere_inherits_a_recipe_by_name(tmp_path):
    (tmp_path / "mine.py").write_text('_base_ = "aemm::synthetic/pose_hourglass_tiny_128.py"\n')
    for path in (tmp_path / "mine.py", str(tmp_path / "mine.py")):
        assert get_config(path).model.head.type == "AEHead"


def test_aemm_is_on_the_white_list_and_said_to_lie_where_it_is_imported_from():
    assert MODULE2PACKAGE["aemm"] == "aemm"
    known = pkg_resources.working_set.by_key.get("aemm")
    assert known is None or known.location == str(ROOT)


def test_it_is_told_once_others_import_what_must_know(monkeypatch):
    told = []
    monkeypatch.setitem(_AFTER, "this", told.append)
    monkeypatch.delitem(sys.modules, "this", raising=False)
    monkeypatch.setattr("sys.stdout.write", lambda text: len(text), raising=False)
    import this

    assert told == [this]
    assert sum(isinstance(finder, _Listener) for finder in sys.meta_path) == 1
