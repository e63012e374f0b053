"""Python and json blocks of the documentation: programs run, settings load into a config and build."""

import ast
import functools
import importlib.util
import json
import sys
import types

import pytest

from aemm.engine import load_config
from aemm.registry import HOOKS, METRICS, MODELS
from aemm.runtime import Predictor
from aemm.skeletons import build_skeleton
from tests.docs.pages import ROOT, blocks, read
from tests.docs.world import draw_world
from tests.export.small_models import NetworkEngine, inferencer_of, small_config
from tests.networks import SMALL

# Languages in which there is nothing to run: output, trees of files, a form to fill in.
SHOWN_ALONE = {"", "text", "markdown"}
# What becomes of the others: bash is tested beside, json and python here; the rest is included from files or is a list.
TESTED = {"bash", "python", "json", "{include}", "{literalinclude}", "{toctree}"}
# Programs with these words do not run.
NOT_RUN = {"pyarrow": "reads what a cluster wrote; tests/apis/test_on_ray.py writes and reads it"}
# Settings are added to this recipe, unless they name their own or their page stands here.
RECIPE = "synthetic/pose_hourglass_tiny_128"
# Libraries that a block needs and that are no requirement of the tests; and those that parts of a config need.
OPTIONAL = {"supervision"}
NEEDED_BY = {"TimmBackbone": "timm", "HuggingFaceBackbone": "transformers"}


def is_settings(block):
    """Lines of a config, not a program."""
    return not any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(ast.parse(block.text)))


PROGRAMS = [block for block in blocks("python") if not is_settings(block)]
SETTINGS = [block for block in blocks("python") if is_settings(block)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return draw_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def runtime(monkeypatch):
    """The package aemm_runtime, whose Predictor has a network at hand instead of the file that is named."""
    cfg = small_config()
    engine = NetworkEngine(cfg, inferencer_of(cfg).model)
    module = types.ModuleType("aemm_runtime")
    module.Predictor = functools.partial(Predictor, engine=engine)
    monkeypatch.setitem(sys.modules, "aemm_runtime", module)


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
def test_programs_run(block, world, runtime, monkeypatch):
    if reasons := [reason for word, reason in NOT_RUN.items() if word in block.text]:
        pytest.skip(reasons[0])
    for node in ast.walk(ast.parse(block.text)):
        for name in [alias.name for alias in node.names] if isinstance(node, ast.Import) else []:
            if name in OPTIONAL and importlib.util.find_spec(name) is None:
                pytest.skip(f'{name} is absent: pip install "aemm[{name}]"')
    monkeypatch.chdir(world)
    exec(compile(block.text, str(block), "exec"), {"__name__": "an_example"})


@pytest.mark.parametrize("block", SETTINGS, ids=str)
def test_settings_load_and_build(block, world, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(world))
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "examples"))
    text = block.text.replace("../aemm/configs", str(ROOT / "configs"))
    if "_base_" not in text:
        text = f'_base_ = ["{ROOT}/configs/{RECIPE}.py"]\n{text}'
    if "skeleton.json" in text:  # written as the same page shows it
        (described,) = (one for one in blocks("json") if one.page == block.page)
        (tmp_path / "data" / "birds").mkdir(parents=True)
        (tmp_path / "data" / "birds" / "skeleton.json").write_text(described.text)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(text)
    cfg = load_config("own.py")
    for kind, library in NEEDED_BY.items():
        if kind in text and importlib.util.find_spec(library) is None:
            pytest.skip(f'{library} is absent: pip install "aemm[{library}]"')
    if cfg.model.backbone.get("backbone", {}).get("pretrained"):
        cfg.model.backbone.backbone.pretrained = False  # nothing is downloaded
    cfg.model.backbone.update(SMALL.get(cfg.model.backbone.type, {}))  # published ones take seconds to build
    MODELS.build(cfg.model)
    for metric in [cfg.val_evaluator] if isinstance(cfg.val_evaluator, dict) else cfg.val_evaluator:
        METRICS.build(metric)
    for hook in cfg.get("custom_hooks") or []:
        HOOKS.build(hook)


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_is_a_skeleton(block):
    assert len(build_skeleton(json.loads(block.text))) == 5


def test_every_block_says_its_language():
    found = {block.language for block in blocks()}
    assert found <= SHOWN_ALONE | TESTED
    commands = [str(block) for block in blocks("", "text") if block.text.startswith(("aemm ", "python ", "pip ", "$ "))]
    assert not commands, "commands go into bash blocks, which are tested"


def test_every_example_is_shown_and_short():
    pages = "".join(read(page) for page in ("docs/own_parts.md",))
    for path in sorted((ROOT / "docs" / "examples").glob("*.py")):
        assert f"```{{literalinclude}} examples/{path.name}" in pages
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 30
