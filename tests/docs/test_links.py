"""Links of the documentation: every one leads to a file and a heading, and what newcomers ask is two clicks away."""

import re

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, links, read

FIRST = "README.md"  # which docs/index.md shows
# What a newcomer asks, and the heading below which it is answered.
QUESTIONS = {
    "install": ("docs/use.md", "install"),
    "own data": ("docs/use.md", "your-own-keypoints"),
    "own head": ("docs/own_parts.md", "a-head"),
    "resume": ("docs/reliability.md", "resuming"),
    "several GPUs": ("docs/reliability.md", "several-processes"),
    "AP is 0": ("docs/troubleshooting.md", "ap-is-0"),
    "slow": ("docs/troubleshooting.md", "it-is-slow"),
    "export": ("docs/deploy.md", "deployment"),
    "convert": ("docs/migration.md", "checkpoints"),
    "predict": ("docs/images_and_videos.md", "what-predict-takes"),
}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    for path, anchor in links(page):
        assert (ROOT / path).exists(), f"{page}: there is no {path}"
        if anchor:
            assert anchor in anchors(path), f"{page}: {path} has no heading #{anchor}"


def test_a_link_to_nowhere_would_be_noticed():
    assert "rooms" in anchors("docs/architecture.md")
    assert "cellars" not in anchors("docs/architecture.md")
    assert ("docs/architecture.md", "") in links("CONTRIBUTING.md")


def test_every_page_can_be_reached_from_the_first():
    seen, ahead = {FIRST}, [FIRST]
    while ahead:
        for path, _ in links(ahead.pop()):
            if path in PAGES and path not in seen:
                seen.add(path)
                ahead.append(path)
    assert set(PAGES) <= seen


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_is_two_clicks_away(question):
    page, anchor = QUESTIONS[question]
    assert anchor in anchors(page)
    near = {path for path, _ in links(FIRST) if path in PAGES}
    assert page in near or any((page, anchor) in links(path) for path in near)
    assert (page, anchor) in links("docs/troubleshooting.md")


def test_every_page_is_in_one_place_of_the_contents():
    listed = re.findall(r"^(?:\w+|[\w ]+ <[\w/]+>)$", read("docs/index.md"), re.MULTILINE)
    pages = [name for name in listed if "<" not in name]
    files = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*.ipynb")]
    assert sorted(pages) == sorted(path.stem for path in files if path.stem != "index")
