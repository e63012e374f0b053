"""Reports as files: several runs side by side, numbers for programs, and what is refused."""

import json
import re
from dataclasses import replace

import pytest

from aemm.reports import write_report
from aemm.reports.report import common_rows, with_own_names
from tests.reports.runs import mask_run, pose_run


def test_two_runs_stand_side_by_side(tmp_path):
    first, second = pose_run(), pose_run("second", 6.0)
    second = replace(second, pairs=second.pairs[3:])
    page = write_report(tmp_path / "new", [first, second], examples=1).read_text(encoding="utf-8")
    assert "of first" in page
    assert "of second" in page
    assert "<b>6</b> images" in page
    assert "largest difference" in page
    numbers = json.loads((tmp_path / "new" / "report.json").read_text())
    assert list(numbers) == ["first", "second"]
    assert numbers["first"]["AP"] > numbers["second"]["AP"]
    assert numbers["first"]["metrics"]["coco/AP"] == 0.5


def test_runs_of_one_name_are_told_apart():
    def names(*runs):
        return [run.name for run in with_own_names(runs)]

    first, other = (replace(pose_run("a"), checkpoint=f"work/epoch_{n}.pth") for n in (1, 2))
    assert names(first, pose_run("b"), other) == ["a epoch_1", "b", "a epoch_2"]
    assert names(first, first) == ["a epoch_1 (1)", "a epoch_1 (2)"]
    assert names(pose_run("b")) == ["b"]


def test_runs_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="first by OKS AP, masks by mask AP"):
        common_rows([pose_run(), mask_run()])
    other = pose_run("other")
    moved = [(replace(truth, image_id=f"x{truth.image_id}"), found) for truth, found in other.pairs]
    with pytest.raises(ValueError, match="no image in common"):
        common_rows([pose_run(), replace(other, pairs=moved)])


def test_pairs_are_found_again_in_any_order():
    first = pose_run()
    backwards = replace(first, pairs=list(reversed(first.pairs)))
    rows = common_rows([first, backwards])
    assert all(first.pairs[a][0] is backwards.pairs[b][0] for a, b in rows.tolist())


def test_images_of_two_sets_that_are_numbered_alike_are_not_one_image():
    first, other = pose_run(), pose_run("other")
    moved = [(replace(truth, keypoints=truth.keypoints + 3), found) for truth, found in other.pairs]
    with pytest.raises(ValueError, match="no image in common, with the same number, size and annotations"):
        common_rows([first, replace(other, pairs=moved)])
    assert len(common_rows([first, replace(other, pairs=moved[:4] + list(other.pairs[4:]))])) == len(first.pairs) - 4


def test_names_stand_on_the_page_as_they_are(tmp_path):
    names = ("_first", "$x$ </script><script>alert(1)</script>")
    pairs = [(replace(truth, image_id=f"<b>\udce9'\" {truth.image_id}"), found) for truth, found in pose_run().pairs]
    runs = [replace(pose_run(name, shift), pairs=pairs) for name, shift in zip(names, (2.0, 5.0), strict=True)]
    page = write_report(tmp_path, runs, examples=1).read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert page.count("</script>") == 1
    assert "&lt;b&gt;?&#39;&#34; 0" in page
    plots = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", page))
    assert "_first" in plots
    assert "$x$" in plots


def test_figures_that_are_not_finite_are_null(tmp_path):
    run = replace(pose_run(), metrics={"coco/AP": float("nan"), "loss": float("inf")})
    write_report(tmp_path, [run], examples=0)
    text = (tmp_path / "report.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["first"]["metrics"] == {"coco/AP": None, "loss": None}
