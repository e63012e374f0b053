"""The tutorial: a notebook that is run from its first cell to its last."""

import ast

import pytest

from tests.docs.pages import ROOT

nbclient = pytest.importorskip("nbclient", reason='nbclient is absent: pip install "aemm[tests]"')
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel", reason='ipykernel is absent: pip install "aemm[tests]"')
TUTORIAL = ROOT / "docs" / "tutorial.ipynb"


@pytest.fixture
def book():
    return nbformat.read(TUTORIAL, as_version=4)


def outputs_of(cell, kind):
    """What a cell gives as pictures, or as text."""
    return [output["data"][kind] for output in cell.outputs if kind in output.get("data", {})]


def test_the_tutorial_runs_and_its_network_learns(book, tmp_path, monkeypatch):
    for name in ("TMPDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=":")
    nbclient.NotebookClient(
        book, timeout=900, startup_timeout=300, resources=dict(metadata=dict(path=tmp_path))
    ).execute()
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    assert sum(bool(outputs_of(cell, "image/png")) for cell in cells) == 2
    figures = ast.literal_eval(outputs_of(cells[-1], "text/plain")[0])
    assert figures["coco/AP50"] > 0.4


def test_the_tutorial_is_kept_without_what_a_run_leaves_in_it(book):
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
