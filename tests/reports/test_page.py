"""The page in a browser: nothing complains, every switch works, nothing is wider than the screen."""

import re

import pytest

from aemm.reports import report as report_module
from aemm.reports import write_report
from tests.browser import started
from tests.reports.runs import mask_run, mpii_run, pose_run

OVERFLOWING = """
const wide = document.documentElement.clientWidth + 1;
return [...document.querySelectorAll("body *")]
  .filter((one) => one.getClientRects().length && !one.closest("svg svg, defs") && !one.classList.contains("skip"))
  .filter((one) => one.getBoundingClientRect().right > wide || one.getBoundingClientRect().left < -1)
  .map((one) => one.outerHTML.slice(0, 80));
"""
SHOWN = """
return [...document.querySelectorAll(".image")].filter((one) => !one.hidden).map((image) =>
  [...image.querySelectorAll("img")].filter((one) => one.getClientRects().length).map((one) => one.dataset.layer));
"""
SWITCHES = "return [...document.querySelectorAll(`input[name='${arguments[0]}']`)].map((one) => one.value);"
LONG = "a_run_whose_name_is_wider_than_the_screen_of_a_telephone"
CLICK = "document.querySelector(`input[name='${arguments[0]}'][value='${arguments[1]}']`).click();"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("report"), [pose_run()], examples=2)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with started(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.mark.parametrize("width", [380, 1400])
def test_the_page_works_in_a_browser(page, page_file, width):
    page.open(page_file, width)
    assert page.run("return window.innerWidth") == width
    assert page.run("return [...document.images].every((one) => one.complete && one.naturalWidth > 0)")
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; });")
    assert page.run(OVERFLOWING) == []
    layers = page.run(SWITCHES, "all")
    assert layers == ["prediction", "truth", "heatmaps", "tags", "image"]
    for layer in layers:
        page.run(CLICK, "all", layer)
        assert all(shown == [layer] for shown in page.run(SHOWN))
        assert page.run(OVERFLOWING) == []
    for layer in layers:
        page.run(CLICK, "image-2", layer)
        assert page.run(SHOWN)[:2] == [["image"], [layer]]
    everything = len(page.run(SHOWN))
    for group in page.run(SWITCHES, "group")[1:]:
        page.run(CLICK, "group", group)
        assert 0 < len(page.run(SHOWN)) < everything
    page.run(CLICK, "group", "every")
    assert len(page.run(SHOWN)) == everything
    for number, layer in enumerate(layers, 1):
        page.press(str(number))
        assert all(shown == [layer] for shown in page.run(SHOWN))
    assert page.complaints() == []


def test_dark_and_light_can_be_chosen(page, page_file):
    page.open(page_file, 800, dark=True)
    paper = "return getComputedStyle(document.body).backgroundColor"
    colors = {None: page.run(paper)}
    for theme in ("light", "dark", "system"):
        page.run(CLICK, "theme", theme)
        colors[theme] = page.run(paper)
    assert colors[None] == colors["system"] == colors["dark"] != colors["light"]
    assert page.complaints() == []


@pytest.mark.parametrize("runs", [[mask_run()], [mpii_run()], [pose_run(LONG), pose_run(f"{LONG}_too", 5.0)]])
def test_every_kind_of_page_fits_a_narrow_screen(page, tmp_path, runs):
    page.open(write_report(tmp_path, runs, examples=1), 380)
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; });")
    assert page.run(OVERFLOWING) == []
    assert page.complaints() == []


def test_a_page_needs_no_network(page_file):
    text = page_file.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", text)
    assert "url(" not in re.sub(r"url\(#", "", text)
    assert "a = &#39;&lt;b&gt;&#39;" in text


def test_pictures_shrink_until_the_page_fits(tmp_path, monkeypatch):
    sizes = []
    for most in (8_000_000, 200_000):
        monkeypatch.setattr(report_module, "MOST_BYTES", most)
        sizes.append(write_report(tmp_path, [pose_run()], examples=1).stat().st_size)
    assert sizes[1] <= 200_000 < sizes[0]
