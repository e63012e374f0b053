"""Recipes are found by name from any folder, and what is known of them is what they say themselves."""

import re
from pathlib import Path

import pytest

from aemm.engine.convert import LAYOUTS
from aemm.formats.recipes import HOME, config_path, find_recipe, recipe_path, recipes

ROOT = Path(__file__).resolve().parents[2]
KNOWN = recipes()


@pytest.fixture
def home(tmp_path):
    """Three recipes, two of them with one stem."""
    for name in ("pose/small", "pose/large", "instance/small", "_base_/models/hidden"):
        path = tmp_path / "configs" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "model-index.yml").write_text("Import: [configs/pose/metafile.yml]\n")
    (tmp_path / "configs/pose/metafile.yml").write_text(
        "Models:\n- Config: configs/pose/large.py\n  Metadata: {Parameters: 7}\n  Layout: mmpose\n"
        "  Weights: https://example.org/a.pth\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "pose/hrnet_w32_coco_512",
        "hrnet_w32_coco_512",
        "pose/hrnet_w32_coco_512.py",
        "configs/pose/hrnet_w32_coco_512.py",
        "./configs/pose/hrnet_w32_coco_512.py",
        "aemm::pose/hrnet_w32_coco_512.py",
    ],
)
def test_every_way_to_name_a_recipe_finds_it_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Path(config_path(name)) == (ROOT / "configs/pose/hrnet_w32_coco_512.py")


def test_a_file_that_exists_comes_before_a_recipe_and_a_recipe_before_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "hrnet_w32_coco_512"
    mine.mkdir()
    assert config_path("hrnet_w32_coco_512").endswith("configs/pose/hrnet_w32_coco_512.py")
    mine.rmdir()
    mine.write_text("")
    assert config_path("hrnet_w32_coco_512") == "hrnet_w32_coco_512"


@pytest.mark.parametrize("name", ["hrnet_w32_coco_51", "pose/hrnet_w32_coco512", "configs/pos/hrnet_w32_coco_512.py"])
def test_an_unknown_name_is_told_with_the_nearest(name):
    with pytest.raises(
        FileNotFoundError, match=rf"config {name} does not exist.*did you mean .*pose/hrnet_w32_coco_512"
    ):
        config_path(name)


def test_a_path_elsewhere_is_not_taken_for_a_recipe():
    with pytest.raises(FileNotFoundError, match="does not exist"):
        config_path("mine/hrnet_w32_coco_512.py")


def test_a_stem_of_several_recipes_must_be_told_apart(home):
    with pytest.raises(ValueError, match="2 recipes; say which: instance/small, pose/small"):
        recipe_path("small", home)
    assert recipe_path("pose/small", home) == home / "configs/pose/small.py"
    assert recipe_path("hidden", home) is None


def test_what_the_index_says_is_read_and_the_rest_is_unknown(home):
    large, small = find_recipe("large", home), find_recipe("instance/small", home)
    assert (large.parameters, large.published.address, large.published.sha256) == (7, "https://example.org/a.pth", None)
    assert (small.parameters, small.published, small.figures) == (None, None, ())
    (home / "model-index.yml").unlink()
    with pytest.raises(FileNotFoundError, match="came without its recipes"):
        recipes(home)


def test_the_index_tells_of_every_recipe_and_of_nothing_else():
    named = set(re.findall(r"Config: configs/(.+)\.py", "".join(p.read_text() for p in ROOT.glob("configs/*/*.yml"))))
    assert named == {recipe.name for recipe in KNOWN} >= {"synthetic/pose_hourglass_tiny_128"}
    assert all(recipe.parameters > 0 for recipe in KNOWN)


@pytest.mark.parametrize("recipe", [r for r in KNOWN if r.figures or r.published], ids=lambda r: r.stem)
def test_published_figures_are_those_of_the_recipe(recipe):
    text = recipe.path.read_text()
    assert recipe.source
    for figure in recipe.figures:
        shown = {f"{figure.value:.3f}".lstrip("0"), f"{100 * figure.value:.1f}"}
        assert any(re.search(rf"(?<![\d.]){re.escape(one)}(?!\d)", text) for one in shown), figure


@pytest.mark.parametrize("recipe", [r for r in KNOWN if r.published], ids=lambda r: r.stem)
def test_a_published_file_has_an_address_or_a_page_a_known_layout_and_the_hash_of_its_name(recipe):
    published = recipe.published
    assert published.layout in LAYOUTS
    assert (published.address is None) != (published.page is None)
    assert (published.address or published.page).startswith("https://")
    hashed = re.search(r"-([0-9a-f]{8})_\d{8}\.pth$", published.address or "")
    assert (hashed and hashed[1]) == published.sha256


def test_the_folder_that_tools_look_for_holds_everything():
    assert {"configs", "tools", "model-index.yml"} <= {path.name for path in HOME.iterdir()}
    assert (HOME / "tools/train.py").is_file()
