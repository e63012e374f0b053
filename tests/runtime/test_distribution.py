"""The second distribution, built from the modules of the first."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = "import sys; sys.modules.update(dict.fromkeys(['torch', 'mmengine', 'mmcv', 'pycocotools', 'PIL']));"


def python(code: str, interpreter: str = sys.executable, **options) -> subprocess.CompletedProcess:
    return subprocess.run([interpreter, "-c", code], capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The distribution, built without a look at any index."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "./runtime"]
    subprocess.run([*command, "--wheel-dir", str(folder)], cwd=ROOT, check=True, capture_output=True)
    (found,) = folder.glob("aemm_runtime-*.whl")
    return found


def test_what_is_packaged_imports_without_torch_and_everything_that_is_no_dependency(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path)
    modules = sorted(
        ".".join(path.relative_to(tmp_path).with_suffix("").parts).removesuffix(".__init__")
        for path in tmp_path.glob("aemm*/**/*.py")
    )
    assert {"aemm.runtime.predictor", "aemm.ops.grouping", "aemm_runtime.command"} <= set(modules)
    assert not {"aemm.structures", "aemm.ops.heatmap", "aemm.models"} & set(modules)
    run = python(
        f"{BLOCK} import {', '.join(modules)}; print(sorted(m for m in sys.modules if 'torch' in m))", cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "['torch']"


def test_the_modules_packaged_are_those_of_the_repository(wheel):
    with zipfile.ZipFile(wheel) as file:
        packaged = [name for name in file.namelist() if name.startswith("aemm/")]
        assert len(packaged) > 20
        for name in packaged:
            assert file.read(name) == (ROOT / name).read_bytes()


def test_importing_it_imports_no_engine_and_nothing_that_is_used_later_if_at_all(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path)
    run = python(
        "import sys; before = set(sys.modules); import aemm_runtime;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))",
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    assert set(run.stdout.split()) == {"aemm", "aemm_runtime", "cv2", "numpy"}


@pytest.mark.slow
def test_a_model_runs_where_there_is_no_torch(wheel, tmp_path):
    """Installs NumPy, SciPy, OpenCV and ONNX Runtime from the package index."""
    pytest.importorskip("onnxscript", reason='pip install "aemm[export]"')
    import cv2

    from aemm.export import ExportOptions, export_model
    from tests.export.small_models import inferencer_of, pictures, small_config

    cfg = small_config()
    inferencer = inferencer_of(cfg)
    export_model(cfg, inferencer.model, tmp_path / "pose.onnx", ExportOptions())
    image = pictures()[0]
    cv2.imwrite(str(tmp_path / "a.png"), image[..., ::-1])
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    interpreter = str(tmp_path / "venv/bin/python")
    install = subprocess.run(
        [interpreter, "-m", "pip", "install", "--quiet", str(wheel)], capture_output=True, text=True
    )
    if install.returncode:
        pytest.skip(f"the package index is not reached: {install.stderr[-200:]}")
    code = (
        "import importlib.util as u; assert not any(map(u.find_spec, ['torch', 'mmengine', 'pycocotools']));"
        "from aemm_runtime import Predictor; import numpy;"
        "(found,) = Predictor('pose.onnx', threads=1)(['a.png']); numpy.save('found.npy', found.keypoints)"
    )
    run = python(code, interpreter, cwd=tmp_path, env={"PATH": "/usr/bin"})
    assert run.returncode == 0, run.stderr
    expected = inferencer.predict(image)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected.keypoints, atol=1e-3)
