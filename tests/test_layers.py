"""Who imports whom: downwards only, and no part reaches for its neighbour."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# The longest prefix of a module's name decides. Equal names are one part, whose modules import each other freely.
LAYERS = {
    "aemm.announce": 0,
    "aemm.libraries": 0,
    "aemm.records": 0,
    "aemm.structures": 0,
    "aemm.geometry": 0,
    "aemm.skeletons": 0,
    "aemm.registry": 0,
    "aemm.interfaces": 0,
    "aemm.ops": 1,
    "aemm.models.layers": 1,
    "aemm.formats": 1.5,  # they read and write what ops computes on
    "aemm.evaluation.functional": 1.5,
    "aemm.datasets": 2,
    "aemm.models.preprocessor": 2,
    "aemm.models.backbones": 2,
    "aemm.models.heads": 2,
    "aemm.models.losses": 2,
    "aemm.models.decoders": 2,
    "aemm.evaluation": 2,
    "aemm.postprocess": 2,
    "aemm.visualization": 2,
    "aemm.reports": 2.5,  # they draw what was evaluated
    "aemm.runtime": 2,
    "aemm.models": 3,
    "aemm.engine": 3,
    "aemm.apis": 4,
    "configs": 4,
    "aemm.export": 4.5,
    "aemm.cli": 5,
    "aemm.__main__": 6,
    "tools": 6,
}
# What layer 3 puts together, but only through the registry; a package's own __init__ may gather its parts.
THROUGH_REGISTRY = {name for name in LAYERS if name.startswith("aemm.models.") and LAYERS[name] == 2}
EXTERNAL = {
    0: {"numpy", "torch", "mmengine"},
    1.5: {"numpy", "torch", "mmengine", "mmcv", "scipy", "cv2", "pycocotools", "hotcoco", "PIL", "yaml", "sleap_io"},
    1: {"numpy", "torch", "mmengine", "scipy", "cv2", "pycocotools", "hotcoco", "PIL"},
}


def part_of(module: str) -> str | None:
    """The entry of LAYERS that `module` belongs to; None for the bare package."""
    for name in sorted(LAYERS, key=len, reverse=True):
        if module == name or module.startswith(name + "."):
            return name
    return None


def imports_of(source: str, module: str, is_package: bool) -> list[tuple[int, str]]:
    """Line and absolute dotted name of every import, those within functions included."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join(start + ([node.module] if node.module else []))
            # `from aemm import ops` imports aemm.ops; `from aemm.ops import hflip` belongs to aemm.ops all the same.
            found += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
    return found


def faults(source: str, module: str, is_package: bool = False) -> list[str]:
    """Every import in `source` that the layers forbid."""
    here = part_of(module)
    if here is None:
        return [] if module == "aemm" else [f"{module} has no layer: name its part in LAYERS"]
    wrong = []
    for line, name in imports_of(source, module, is_package):
        top, there = name.split(".")[0], part_of(name)
        place = f"{module}:{line} imports {name}"
        if top not in ("aemm", "tools", "configs"):
            allowed = EXTERNAL.get(LAYERS[here])
            if allowed and top not in allowed | sys.stdlib_module_names:
                wrong.append(f"{place}, but layer {LAYERS[here]} may use only {', '.join(sorted(allowed))}")
        elif there is None or there == here or (is_package and there.startswith(module + ".")):
            continue
        elif there in THROUGH_REGISTRY and LAYERS[here] == 3:
            wrong.append(f"{place}, but layer 3 reaches the parts of a model through the registry")
        elif LAYERS[there] >= LAYERS[here] > 0 or LAYERS[there] > LAYERS[here]:
            wrong.append(f"{place} (layer {LAYERS[there]}), but {here} is in layer {LAYERS[here]}")
    return wrong


# What resizing and decoding need beside a network.
WITHOUT_TORCH = [
    "aemm.records",
    "aemm.geometry",
    "aemm.skeletons",
    *(f"aemm.ops.{name}" for name in ("assignment", "boxes", "cell_search", "fitting", "grouping", "image", "masks")),
    *(f"aemm.ops.{name}" for name in ("instance_masks", "openvino", "peaks", "people", "pixel_grouping", "refining")),
    *("aemm.ops.pixels", "aemm.ops.run_lengths", "aemm.ops.subpixel", "aemm.runtime"),
]


def without_torch(*modules: str) -> subprocess.CompletedProcess:
    """Import modules where there is neither torch nor mmengine."""
    block = "import sys; sys.modules.update(dict.fromkeys(['torch', 'mmengine', 'mmcv']));"
    command = [sys.executable, "-c", f"{block} import {', '.join(modules)}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_grouping_and_records_need_neither_torch_nor_mmengine():
    run = without_torch(*WITHOUT_TORCH)
    assert run.returncode == 0, run.stderr


def test_a_module_that_needs_torch_would_be_caught():
    assert "import of torch halted" in without_torch("aemm.ops.lookup").stderr


def module_of(path: Path) -> tuple[str, bool]:
    parts = path.relative_to(ROOT).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    return ".".join(parts[:-1] if is_package else parts), is_package


@pytest.mark.parametrize("path", sorted((ROOT / "aemm").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_import_downwards_only(path):
    module, is_package = module_of(path)
    assert not faults(path.read_text(encoding="utf-8"), module, is_package)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("aemm.geometry", "import cv2"),
        ("aemm.structures", "from aemm.ops import hflip"),
        ("aemm.ops.maps", "from ..datasets import collate"),
        ("aemm.ops.maps", "import mmcv"),
        ("aemm.evaluation.functional.oks", "from aemm.evaluation.coco_metric import CocoMetric"),
        ("aemm.datasets.coco_pose", "def load():\n    from aemm.models.heads import AEHead"),
        ("aemm.models.heads.ae_head", "from aemm.models import losses"),
        ("aemm.models.heads.ae_head", "from ..losses import GroupingLoss"),
        ("aemm.models.decoders.pose", "from aemm.models import build"),
        ("aemm.models.embedder", "from aemm.models.heads.ae_head import AEHead"),
        ("aemm.engine.hooks", "from aemm.apis import Inferencer"),
        ("aemm.engine.hooks", "import tools.train"),
        ("aemm.apis.inferencer", "from aemm.cli.outcome import ExitCode"),
        ("aemm.unheard_of", "import numpy"),
    ],
)
def test_an_upward_import_is_reported(module, source):
    assert len(faults(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "is_package", "source"),
    [
        ("aemm.structures", False, "import torch.nn.functional as F\nfrom aemm import geometry"),
        ("aemm.ops.maps", False, "from .heatmap import nms\nfrom aemm.structures import Maps"),
        ("aemm.models.heads.ae_head", False, "import mmcv\nfrom aemm.ops.maps import merge_maps"),
        ("aemm.models", True, "from . import heads\nfrom .embedder import Embedder"),
        ("aemm.evaluation", True, "from .functional import oks"),
        ("aemm.models.tta", False, "from aemm.models.embedder import Embedder\nfrom aemm.ops import merge_maps"),
        ("aemm.apis.inferencer", False, "from aemm.models.heads import AEHead\nimport aemm"),
        ("aemm.cli.predict", False, "from aemm.apis import Inferencer"),
    ],
)
def test_a_downward_import_is_allowed(module, is_package, source):
    assert not faults(source, module, is_package)


def listed_rooms():
    """The rooms that docs/architecture.md lists."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return {line.split("`")[1] for line in text.splitlines() if line.startswith("| `aemm/") and line.count("|") == 4}


def test_the_guide_lists_every_folder_and_every_module_of_the_ground_floor():
    folders = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "aemm").rglob("*.py")} - {"aemm"}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "aemm").glob("*.py") if not path.stem.startswith("__")}
    assert listed_rooms() == folders | modules


@pytest.mark.parametrize("path", sorted((ROOT / "aemm/evaluation").rglob("*.py")), ids=lambda p: p.stem)
def test_metrics_import_no_format_and_read_no_file(path):
    source = path.read_text(encoding="utf-8")
    module, is_package = module_of(path)
    assert not [name for _, name in imports_of(source, module, is_package) if name.startswith("aemm.formats")]
    assert not re.search(r"\bopen\(|read_text|read_bytes|mmengine\.(load|dump)|fileio", source)


# words that only file formats know; the evaluators' own dict is built in evaluation/functional
FILE_KEYS = {
    *("iscrowd", "bbox", "file_name", "category_id", "num_keypoints", "segmentation", "annotations", "supercategory"),
    *("crowdIndex", "head_box", "objpos", "group_ids", "annorect", "annopoints"),
}


@pytest.mark.parametrize("path", sorted((ROOT / "aemm").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_key_of_a_file_format_is_known_outside_formats(path):
    if {"formats", "functional"} & set(path.parts):
        return
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    words = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    words |= {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg}
    assert not words & FILE_KEYS
