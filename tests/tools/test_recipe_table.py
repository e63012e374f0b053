import copy

import pytest

from tests.end_to_end import ROOT
from tools.analysis_tools.recipe_table import CONFIGS, faults, main, page, read_facts, rows_of


@pytest.fixture(scope="module")
def facts():
    return read_facts()


def test_no_recipe_differs_from_its_source_without_a_stated_reason(facts):
    assert list(faults(facts)) == []


def test_the_page_of_the_documentation_is_what_the_tool_writes(facts):
    assert (ROOT / "docs/recipes.md").read_text() == page(facts), "run recipe_table.py --markdown > docs/recipes.md"


def _only(facts, recipe="pose/hrnet_w32_coco_512"):
    """The facts of one recipe, to be changed; no other config is asked for."""
    every = [path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.py")]
    alone = dict(rules=facts["rules"], recipes={recipe: facts["recipes"][recipe]})
    return copy.deepcopy(alone) | dict(without_source=dict.fromkeys(every, "another test"))


def test_a_value_that_is_not_the_sources_is_a_fault_unless_a_reason_is_stated(facts):
    changed = _only(facts)
    (entry,) = changed["recipes"].values()
    entry["facts"].append(["optim_wrapper.optimizer.lr", 1.0, "a file"])
    (fault,) = faults(changed)
    assert fault == "pose/hrnet_w32_coco_512: optim_wrapper.optimizer.lr is 0.0015, the source has 1.0 (a file)"
    entry["reasons"]["optim_wrapper.optimizer.lr"] = "a test"
    assert list(faults(changed)) == []


def test_a_reason_for_what_agrees_or_is_not_there_is_a_fault(facts):
    changed = _only(facts)
    (entry,) = changed["recipes"].values()
    entry["reasons"] |= {"schedule.epochs": "none", "model.decoder.no_such_setting": "none"}
    assert sorted(fault.split(": ")[1] for fault in faults(changed)) == [
        "model.decoder.no_such_setting",
        "schedule.epochs",
    ]


def test_every_config_is_listed_or_said_to_have_no_source(facts):
    changed = _only(facts)
    del changed["without_source"]["pose/resnet50_coco_512"]
    (fault,) = faults(changed)
    assert fault.startswith("pose/resnet50_coco_512: recipe_facts.json neither lists it")


def test_defaults_absent_parts_and_published_figures_are_read(facts):
    rows = {row.setting: row for row in rows_of("pose/hrnet_w32_coco_512", facts)}
    assert rows["train.ColorJitter"].ours is False
    assert rows["train.RandomFlip.probability"].ours == 0.5  # the config leaves it out
    assert rows["published"].ours == [".654", ".698"]
    assert rows["weights"].ours == "hrnet_w32"


def test_an_unknown_recipe_is_named():
    with pytest.raises(ValueError, match="got pose/hrnet"):
        main(["pose/hrnet"])
