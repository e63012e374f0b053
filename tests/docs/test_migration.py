"""The tables for users of other projects: every key of aemm in them is the recipe's, or its parts'."""

import re

import pytest

from aemm.engine import load_config
from aemm.engine.config_check import READ_KEYS
from aemm.registry import DECODERS, MODELS, OPTIM_WRAPPERS, TRANSFORMS, UnknownTypeError, parameters
from tests.docs.pages import read

PAGE = "docs/migration.md"
RECIPE = "pose/higherhrnet_w32_coco_512"
ROOTS = ("model", "train_dataloader", "test_dataloader", "optim_wrapper", "param_scheduler", "default_hooks", "env_cfg")

# parts that the head builds where a config leaves them out
LEFT_OUT = {"heatmap_loss": dict(type="HeatmapMSELoss"), "grouping_loss": dict(type="GroupingLoss")}


def keys():
    """What stands in code in the second cells of the tables of options, and looks like a key."""
    sections = read(PAGE).split("\n## ")
    tables = [part for part in sections if part.startswith("Options of")]
    assert len(tables) == 3
    cells = [row.split(" | ")[1] for part in tables for row in part.splitlines() if row.startswith("| ")]
    found = {key for cell in cells for key in re.findall(r"`([\w.]+)`", cell)}
    return sorted(key for key in found if key.split(".")[0] in (*ROOTS, *READ_KEYS))


@pytest.fixture(scope="module")
def recipe():
    return load_config(RECIPE).to_dict()


def takes(node, word):
    """Whether the class of a part has an argument of that name."""
    for registry in (MODELS, DECODERS, TRANSFORMS, OPTIM_WRAPPERS):
        try:
            return word in parameters(registry.get(node["type"]))[0]
        except UnknownTypeError:
            continue
    return False


@pytest.mark.parametrize("key", keys())
def test_every_key_is_one_of_the_recipe_or_an_argument_of_its_parts(key, recipe):
    node, words = recipe, key.split(".")
    for word in words[:-1]:
        if isinstance(node, dict) and word not in node and takes(node, word):
            node = LEFT_OUT[word]
        else:
            node = node[int(word)] if isinstance(node, list) else node[word]
    last = words[-1]
    assert last in node or takes(node, last) or (len(words) == 1 and last in READ_KEYS)


def test_there_are_keys_and_a_wrong_one_would_be_noticed(recipe):
    assert len(keys()) > 50
    assert not takes(recipe["model"]["decoder"], "tag_treshold")
