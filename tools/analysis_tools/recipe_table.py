"""Every setting of the recipes that matters, beside the value that its source has.

python tools/analysis_tools/recipe_table.py
python tools/analysis_tools/recipe_table.py pose/higherhrnet_w32_coco_512 --all
python tools/analysis_tools/recipe_table.py --markdown > docs/recipes.md

The values of the sources, each with the file it stands in, are in recipe_facts.json. The exit code is 1 where a recipe
differs without a stated reason, and where a reason is stated though nothing differs.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope

from aemm.cli.outcome import run
from aemm.engine import load_config
from aemm.registry import DATASETS, DECODERS, METRICS, MODELS, POSTPROCESSORS, TRANSFORMS, UnknownTypeError
from aemm.skeletons import build_skeleton

FACTS = Path(__file__).with_name("recipe_facts.json")
CONFIGS = Path(__file__).resolve().parents[2] / "configs"
_REGISTRIES = (MODELS, DECODERS, DATASETS, TRANSFORMS, METRICS, POSTPROCESSORS)
_ABSENT = "absent"
_PAGE = """# Recipes beside their sources

Every setting that matters, its value in the source, and where that stands.
`python tools/analysis_tools/recipe_table.py` prints what differs and fails where no reason is stated; the test suite
runs it. With `--markdown` it writes this page. Settings are named by their place in the config; those of the pipelines
begin with `train.` or `test.`, and a few are derived from several places.
"""


@dataclass(frozen=True)
class Row:
    """One setting of one recipe.

    Attributes:
        setting: what it is called, mostly its place in the config.
        ours: its value here.
        theirs: its value in the source.
        source: repository and file, or paper and section.
        reason: why the two differ, where one is stated.
    """

    setting: str
    ours: Any
    theirs: Any
    source: str
    reason: str | None

    @property
    def same(self) -> bool:
        """Whether the recipe has what its source has."""
        return _plain(self.ours) == _plain(self.theirs)

    @property
    def fault(self) -> str | None:
        """What is wrong with this row."""
        if not self.same and self.reason is None:
            return f"{self.setting} is {self.ours!r}, the source has {self.theirs!r} ({self.source})"
        if self.same and self.reason is not None:
            return f"{self.setting}: a reason is stated, but both are {self.ours!r}"
        return None


def _plain(value: Any) -> Any:
    """Lists for tuples and floats for whole numbers, so that equal settings compare equal."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def read_facts(path: Path = FACTS) -> dict[str, Any]:
    """The values of the sources: ``rules`` that recipes share, and ``recipes`` with their own and their reasons."""
    return json.loads(path.read_text())


def rows_of(recipe: str, facts: Mapping[str, Any]) -> list[Row]:
    """All settings of a recipe for which a source gives a value.

    Args:
        recipe: path of its config below ``configs``, without the ending.
        facts: from :func:`read_facts`.
    """
    path = CONFIGS / f"{recipe}.py"
    cfg, entry = load_config(str(path)), facts["recipes"][recipe]
    found: dict[str, tuple[Any, str]] = {}
    reasons: dict[str, str] = {}
    for name in entry["rules"]:
        found |= {setting: (value, source) for setting, value, source in facts["rules"][name]["facts"]}
        reasons |= facts["rules"][name].get("reasons", {})
    found |= {setting: (value, source) for setting, value, source in entry["facts"]}
    reasons |= entry.get("reasons", {})
    rows = [
        Row(setting, setting_of(cfg, setting, value, path), value, source, reasons.pop(setting, None))
        for setting, (value, source) in found.items()
    ]
    return rows + [Row(setting, None, None, "no source names it", why) for setting, why in reasons.items()]


def setting_of(cfg: Config, setting: str, theirs: Any, path: Path) -> Any:
    """The value that a recipe has for a setting.

    Args:
        cfg: the recipe.
        setting: ``train.TRANSFORM.ARGUMENT`` or ``test.``..., one of the names of ``_DERIVED``, or a place in
            the config.
        theirs: the source's value; published figures are looked for in the recipe's docstring.
        path: of the recipe.

    Returns:
        The value, the default where the config leaves it out, or 'absent' where there is no such part.
    """
    if setting == "published":
        text = path.read_text().split('"""')[1]
        return [figure for figure in theirs if re.search(rf"(?<!\d){re.escape(figure)}(?!\d)", text)]
    if setting in _DERIVED:
        return _DERIVED[setting](cfg)
    first, *rest = setting.split(".")
    if first in ("train", "test"):
        steps = cfg[f"{first}_dataloader"].dataset.pipeline
        step = next((step for step in steps if step["type"] == rest[0]), None)
        if len(rest) == 1:
            return step is not None
        return _ABSENT if step is None else _argument(step, rest[1])
    node = cfg
    for key in [first, *rest][:-1]:
        known = int(key) < len(node) if isinstance(node, list) else key in node
        if not known:
            return _ABSENT
        node = node[int(key) if isinstance(node, list) else key]
    return _argument(node, rest[-1]) if rest else node


def _argument(part: Mapping[str, Any], name: str) -> Any:
    """An argument of a part, its default where the config does not give it."""
    if name in part or "type" not in part:
        return part.get(name)
    parameters = inspect.signature(_class_of(part["type"])).parameters
    if name not in parameters:
        raise KeyError(f"{part['type']} takes no {name!r}, which recipe_facts.json names")
    return parameters[name].default


def _class_of(kind: str) -> type:
    """The registered class of that name."""
    for registry in _REGISTRIES:
        with suppress(UnknownTypeError):
            return registry.get(kind)
    raise KeyError(f"{kind} is in none of the registries of recipes, but recipe_facts.json asks for its defaults")


def _warm_up(cfg: Config) -> list[Any] | None:
    """Iterations and first factor of a linear warm-up."""
    found = [s for s in cfg.param_scheduler if s["type"] == "LinearLR"]
    return [found[0]["end"], found[0]["start_factor"]] if found else None


def _drops(cfg: Config) -> list[Any] | None:
    """Unit, places and factor of the drops of the learning rate."""
    found = [s for s in cfg.param_scheduler if s["type"] == "MultiStepLR"]
    unit = ["epoch" if s.get("by_epoch", True) else "iteration" for s in found]
    return [unit[0], found[0]["milestones"], found[0]["gamma"]] if found else None


def _weights(cfg: Config) -> str | None:
    """Name of the network whose weights the backbone starts from, without version and address."""
    start = cfg.model.backbone.get("init_cfg")
    if not isinstance(start, Mapping) or "checkpoint" not in start:
        return None
    return re.split(r"[-.]", start["checkpoint"].rpartition("/")[2])[0]


def _deviation(cfg: Config) -> float | None:
    """Of the normal distribution from which the backbone's convolutions start."""
    start = cfg.model.backbone.get("init_cfg") or []
    return next((step["std"] for step in start if isinstance(step, Mapping) and step.get("type") == "Normal"), None)


def _grouping_order(cfg: Config) -> list[int]:
    decoder = cfg.model.decoder
    return list(decoder.get("grouping_order") or build_skeleton(decoder.skeleton).grouping_order)


_DERIVED = {
    "schedule.warm_up": _warm_up,
    "schedule.drops": _drops,
    "schedule.epochs": lambda cfg: cfg.train_cfg.get("max_epochs"),
    "batch": lambda cfg: cfg.auto_scale_lr.base_batch_size,
    "weights": _weights,
    "deviation": _deviation,
    "filled_subpixel": lambda cfg: cfg.model.decoder.get("filled_subpixel") or cfg.model.decoder.subpixel,
    "grouping_order": _grouping_order,
    "corners_aligned": lambda cfg: (
        _argument(next(s for s in cfg.test_dataloader.dataset.pipeline if s["type"] == "ResizeToFit"), "convention")
        == "udp"
    ),
}


def recipes(facts: Mapping[str, Any]) -> list[str]:
    """Those whose values have a source, in the order of the file."""
    return list(facts["recipes"])


def unlisted(facts: Mapping[str, Any]) -> list[str]:
    """Configs that are neither among the recipes nor said to have no source."""
    known = {*facts["recipes"], *facts["without_source"]}
    every = (path.relative_to(CONFIGS).with_suffix("").as_posix() for path in sorted(CONFIGS.rglob("*.py")))
    return [name for name in every if not name.startswith("_base_/") and name not in known]


def faults(facts: Mapping[str, Any]) -> Iterator[str]:
    """Everything in which recipes and facts disagree."""
    for recipe in recipes(facts):
        for row in rows_of(recipe, facts):
            if row.fault:
                yield f"{recipe}: {row.fault}"
    for name in unlisted(facts):
        yield f"{name}: recipe_facts.json neither lists it nor says why it has no source"


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return "none" if value is None else {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _text(recipe: str, rows: list[Row], every: bool) -> str:
    shown = [row for row in rows if every or not row.same]
    lines = [f"{recipe}: {sum(row.same for row in rows)} of {len(rows)} settings as in the source"]
    for row in shown:
        mark = " " if row.same else "!" if row.reason is None else "*"
        lines.append(f"  {mark} {row.setting:44} {_shown(row.ours):28} {_shown(row.theirs):28} {row.source}")
        if row.reason:
            lines.append(f"      because {row.reason}")
    return "\n".join(lines)


def page(facts: Mapping[str, Any]) -> str:
    """The page of the documentation."""
    lines = [_PAGE]
    for name, rules in facts["rules"].items():
        users = [recipe for recipe in recipes(facts) if name in facts["recipes"][recipe]["rules"]]
        lines += [f"## Rules `{name}`", "", f"Of {', '.join(f'`{user}`' for user in users)}.", ""]
        lines += ["| setting | value | source |", "|---|---|---|"]
        lines += [f"| `{setting}` | {_shown(value)} | {source} |" for setting, value, source in rules["facts"]]
        lines.append("")
    lines += ["## Recipes", ""]
    for recipe in recipes(facts):
        entry, rows = facts["recipes"][recipe], rows_of(recipe, facts)
        own = {setting for setting, _, _ in entry["facts"]}
        lines += [f"### `{recipe}`", "", f"Rules {', '.join(f'`{name}`' for name in entry['rules'])}; besides:", ""]
        lines += ["| setting | aemm | source has | source | why they differ |", "|---|---|---|---|---|"]
        lines += [
            f"| `{row.setting}` | {_shown(row.ours)} | {_shown(row.theirs)} | {row.source} | {row.reason or ''} |"
            for row in rows
            if row.setting in own or not row.same
        ]
        lines.append("")
    lines += ["## Configs without a source", "", "| config | |", "|---|---|"]
    lines += [f"| `{name}` | {why} |" for name, why in facts["without_source"].items()]
    return "\n".join(lines) + "\n"


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", help="such as pose/hourglass4_coco_512; default all")
    parser.add_argument("--all", action="store_true", help="also the settings that agree")
    parser.add_argument("--markdown", action="store_true", help="the page of the documentation")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    args, facts = parse_args(arguments), read_facts()
    init_default_scope("aemm")
    unknown = sorted(set(args.recipes) - set(recipes(facts)))
    if unknown:
        raise ValueError(f"recipes must be among {', '.join(recipes(facts))}, got {', '.join(unknown)}")
    if args.markdown:
        print(page(facts), end="")
        return 0
    for recipe in args.recipes or recipes(facts):
        print(_text(recipe, rows_of(recipe, facts), args.all))
    found = [fault for fault in faults(facts) if not args.recipes or fault.partition(":")[0] in args.recipes]
    print("\n".join(["", f"{len(found)} faults", *found] if found else ["", "no faults"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(run(main))
