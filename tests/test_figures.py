"""The figures of the page on the method are drawn by its script, and the page shows those and no others."""

import re

from tests.end_to_end import ROOT, check, run_tool


def test_a_script_draws_all_figures_of_the_method(tmp_path):
    check(run_tool("docs/figures.py", "--out-dir", tmp_path, "--images", 1))
    page = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"\(images/(method_[\w.]+)\)", page))
    assert {path.name for path in tmp_path.iterdir()} == shown
    assert all((ROOT / "docs" / "images" / name).is_file() for name in shown)
    assert all(path.stat().st_size > 10_000 for path in tmp_path.iterdir())
