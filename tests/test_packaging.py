"""The package installs as it says: one version, readable requirements, declared imports, complete folders."""

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import aemm

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
CONSTRAINTS = ROOT / "requirements" / "constraints.txt"
MODULES = sorted((ROOT / "aemm").rglob("*.py"))

# Distributions whose import name differs.
PROVIDES = {"opencv-python": "cv2", "mmcv-lite": "mmcv", "pillow": "PIL", "pyyaml": "yaml"}
# Imported, if at all, inside the function that needs them: optional, compiled, or for a screen.
NEVER_AT_MODULE_LEVEL = ("torchvision", "mmcv.ops", "orjson", "xtcocotools", "xthotcoco", "tensorboard", "sleap_io")
NEEDS_A_SCREEN = {"imshow", "waitKey", "namedWindow", "destroyAllWindows", "destroyWindow", "selectROI"}


def requirements_in(path: Path) -> list[Requirement]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


def module_level_imports(source: str) -> set[str]:
    """Dotted names imported when the module is, `if TYPE_CHECKING` blocks left out."""
    names: set[str] = set()
    queue: list[ast.AST] = list(ast.parse(source).body)
    while queue:
        node = queue.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            queue += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            queue += ast.iter_child_nodes(node)
    return names


def screen_calls(source: str) -> set[str]:
    """The cv2 functions that open a window, wherever they are used."""
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute))
    return {n.attr for n in nodes if n.attr in NEEDS_A_SCREEN and getattr(n.value, "id", "") == "cv2"}


def setup_says(*fields: str) -> list[str]:
    """What `python setup.py --<field>` prints, line by line."""
    command = [sys.executable, "setup.py", "--quiet", *(f"--{field}" for field in fields)]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return out.strip().splitlines()


def test_setup_package_and_citation_agree_on_name_version_and_licence():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert setup_says("name", "version") == ["aemm", aemm.__version__]
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE).group(1) == aemm.__version__
    assert re.search(r"^license: (.+)$", citation, re.MULTILINE).group(1) == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda p: p.stem)
def test_requirement_files_parse_and_state_a_version(path):
    requirements = requirements_in(path)
    assert requirements
    assert all(requirement.specifier for requirement in requirements)


def test_constraints_pin_one_version_of_everything_that_is_required():
    pins: dict[str, list[Requirement]] = {}
    for pin in requirements_in(CONSTRAINTS):
        pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    for python in ("3.10", "3.11", "3.12", "3.13"):
        for name, candidates in pins.items():
            chosen = [p for p in candidates if p.marker is None or p.marker.evaluate({"python_version": python})]
            assert len(chosen) <= 1, f"{name} is pinned twice on Python {python}"
    for path in set(REQUIREMENTS) - {CONSTRAINTS}:
        for requirement in requirements_in(path):
            candidates = pins.get(canonicalize_name(requirement.name), [])
            assert candidates, f"{requirement} ({path.name}) is not pinned in constraints.txt"
            for pin in candidates:
                version = str(pin.specifier).removeprefix("==")
                assert requirement.specifier.contains(version), f"{pin} does not satisfy {requirement} ({path.name})"


def test_every_package_folder_has_an_init():
    folders = {path.parent for path in MODULES}
    assert not [str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists()]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_import_only_declared_requirements_and_open_no_window(path):
    source = path.read_text(encoding="utf-8")
    names = module_level_imports(source)
    declared = {r.name for r in requirements_in(ROOT / "requirements" / "runtime.txt")}
    declared = {PROVIDES.get(name, name) for name in declared} | {"aemm"} | sys.stdlib_module_names
    assert not {n for n in names if n.split(".")[0] not in declared}
    assert not {n for n in names if f"{n}.".startswith(tuple(f"{never}." for never in NEVER_AT_MODULE_LEVEL))}
    assert not screen_calls(source)


def test_an_undeclared_import_or_a_window_is_noticed():
    source = (
        "import a\nfrom mmcv import ops\ntry:\n    import b.c\nexcept ImportError:\n    pass\ndef f():\n    import d\n"
    )
    assert module_level_imports(source) == {"a", "mmcv.ops", "b.c"}
    assert screen_calls("import cv2\ndef show(image):\n    cv2.imshow('', image)\n") == {"imshow"}


def test_the_package_imports_without_its_optional_parts():
    blocked = ["torchvision", "mmcv.ops", "orjson", "xtcocotools", "xthotcoco", "tensorboard", "sleap_io"]
    modules = [".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in MODULES]
    code = f"""
import importlib, sys
for name in {blocked}: sys.modules[name] = None
for name in {modules}: importlib.import_module(name)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_what_a_wheel_must_hold_is_there_and_every_kind_of_it_is_listed():
    """The wheel takes files by their endings, so that no other may lie in these folders."""
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    endings = set(re.search(r"for ending in \((.+?)\)", setup).group(1).replace('"', "").split(", "))
    files = [path for folder in ("configs", "tools") for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert {path.suffix.lstrip(".") for path in files if "__pycache__" not in path.parts} == endings
    assert (ROOT / "aemm/py.typed").is_file()
    assert all((ROOT / "aemm/.mim" / name).resolve() == ROOT / name for name in ("configs", "tools", "model-index.yml"))


@pytest.mark.slow
def test_a_wheel_alone_trains_by_name_from_any_folder(tmp_path):
    source, home = tmp_path / "source", tmp_path / "site"
    left_out = shutil.ignore_patterns(".venv*", ".git", "*.egg-info", "build", "work_dirs", ".*_cache")
    shutil.copytree(ROOT, source, symlinks=True, ignore=left_out)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*pip, str(source)], check=True)
    (wheel,) = tmp_path.glob("aemm-*.whl")
    if find_spec("twine"):  # what the package index would refuse
        subprocess.run([sys.executable, "-m", "twine", "check", "--strict", str(wheel)], check=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(home)
    shutil.rmtree(source)
    code = f"""
import sys; sys.path.insert(0, {str(home)!r})
import aemm; assert aemm.__file__.startswith({str(home)!r}), aemm.__file__
from mmengine import hub; assert hub.get_config("aemm::pose/hrnet_w32_coco_512.py").model.backbone.width == 32
from aemm.cli import main
less = ["train_dataloader.dataset.length=16", "val_dataloader.dataset.length=8", "test_dataloader.dataset.length=8"]
sys.exit(main(["train", "pose_hourglass_tiny_128", "--cfg-options", "train_cfg.max_epochs=1", *less]))
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "work_dirs/pose_hourglass_tiny_128/epoch_1.pth").is_file()
