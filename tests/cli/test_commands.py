"""The command line: help that comes at once, examples that parse, options read as mmengine reads them."""

import argparse
import re
import shlex
import subprocess
import sys
from typing import get_args

import pytest
from mmengine.config import DictAction

from aemm import __version__
from aemm.cli import COMMANDS, main
from aemm.cli.arguments import parse_options
from aemm.cli.outcome import ExitCode
from aemm.engine.convert import LAYOUTS
from aemm.ops.heatmap import TargetStyle
from tests.end_to_end import ROOT

SLOW = {"torch", "mmengine", "cv2", "numpy", "mmcv", "scipy", "matplotlib", "terminaltables"}
TOOLS = {
    path.relative_to(ROOT): re.search(r'run_tool\("([\w-]+)"', path.read_text())
    for path in sorted((ROOT / "tools").rglob("*.py"))
}


def python(*words, **environment):
    """The outcome of the interpreter that runs the tests."""
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)


def parser_of(name):
    parser = argparse.ArgumentParser()
    COMMANDS[name].add_arguments(parser)
    return parser


@pytest.mark.parametrize("words", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_slow(words):
    code = (
        "import sys\nfrom aemm.cli import main\ntry: main(sys.argv[1:])\n"
        "except SystemExit: print('\\nloaded', *{m.partition('.')[0] for m in sys.modules})"
    )
    loaded = python("-c", code, *words).stdout.splitlines()[-1].split()
    assert loaded[0] == "loaded"
    assert not SLOW & set(loaded)


def test_help_comes_without_docstrings(tmp_path):
    told = python("-OO", "-m", "aemm", "--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert re.search(r"check-data +check-data", told.stdout)


def test_what_predicts_imports_nothing_that_it_never_uses():
    load = "aemm.engine.load_config('pose_hourglass_tiny_128', trains=False)"
    loaded = set(python("-c", f"import sys, aemm.apis; {load}; print(*sys.modules)").stdout.split())
    assert {"torch", "aemm.apis", "aemm.datasets"} <= loaded
    never = {"matplotlib", "jinja2", "scipy.io", "scipy.sparse", "timm", "torchvision", "onnx", "openvino"}
    assert not (never | {"torch._dynamo"}) & loaded


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_two_examples_that_parse(name, capsys):
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(f"  aemm {name} ")]
    assert shown == [["aemm", name, *example.split()] for example in COMMANDS[name].EXAMPLES]
    assert len(shown) >= 2
    for example in COMMANDS[name].EXAMPLES:
        parser_of(name).parse_args(shlex.split(example))


def test_the_version_and_the_codes_are_told(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"aemm {__version__}\n"
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f"{code.value} {code.name.lower().replace('_', ' ')}" in shown for code in ExitCode)


@pytest.mark.parametrize("words", [[], ["fly"], ["train"], ["--fly"], ["predict", "--help-me"]])
def test_a_wrong_command_line_is_usage(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("usage: aemm")


def test_the_module_and_the_script_are_the_command(tmp_path):
    shown = python("-m", "aemm", "--version")
    assert (shown.returncode, shown.stdout) == (0, f"aemm {__version__}\n")
    assert python("-m", "aemm", "fly").returncode == ExitCode.USAGE
    python("setup.py", "--quiet", "egg_info", "--egg-base", str(tmp_path))
    (entry_points,) = tmp_path.glob("*.egg-info/entry_points.txt")
    assert entry_points.read_text().split("\n")[:2] == ["[console_scripts]", "aemm = aemm.cli:main"]


@pytest.mark.parametrize("path", [path for path, name in TOOLS.items() if name], ids=str)
def test_a_tool_is_its_command(path):
    shown = python(str(path), "--help")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(f"usage: python {path} ")
    assert COMMANDS[TOOLS[path][1]].__doc__ in " ".join(shown.stdout.split())


@pytest.mark.parametrize("path", TOOLS, ids=str)
def test_every_tool_ends_as_the_commands_do(path):
    last = (ROOT / path).read_text().rstrip().splitlines()[-1].strip()
    assert last.startswith(("sys.exit(run_tool(", "sys.exit(run(main))")) or path.name == "processes.py"


def test_every_command_has_its_tool():
    assert {name[1] for name in TOOLS.values() if name} == set(COMMANDS)


def test_choices_are_those_of_what_they_choose_from():
    def choices(name, option):
        return list(parser_of(name)._option_string_actions[option].choices)

    assert choices("convert", "--layout") == list(LAYOUTS)
    assert choices("oracle", "--style") == list(get_args(TargetStyle))


OPTIONS = [
    "a=1",
    "a=1.5",
    "a=1e-3",
    "a=true",
    "a=None",
    "a=text",
    "a=1,2,3",
    "a=[1,2,3]",
    "a=(1,2,3)",
    "a=[(1,2),[a,b],c]",
    "a='quoted'",
    'a="[1, 2]"',
    "a=",
    "a==b",
    "a.b.0.c=x y",
    "a=[]",
    "a=()",
    "a=)x",
]


def test_options_are_read_as_mmengine_reads_them():
    theirs = argparse.ArgumentParser()
    theirs.add_argument("--cfg-options", nargs="+", action=DictAction)
    for words in ([word] for word in OPTIONS):
        expected = theirs.parse_args(["--cfg-options", *words]).cfg_options
        got = parse_options(parser_of("train").parse_args(["c.py", "--cfg-options", *words]).cfg_options)
        assert repr(got) == repr(expected)
    several = ["c.py", "--cfg-options", "a=1", "b=2", "--seed", "3", "--cfg-options", "c=3", "a=4"]
    assert parse_options(parser_of("train").parse_args(several).cfg_options) == {"a": 4, "b": 2, "c": 3}
    assert parse_options(None) == {}


@pytest.mark.parametrize("word", ["a=[1,2", "a=(1,2]", "a=1,[2", "a=[],["])
def test_brackets_that_do_not_match_are_named(word):
    with pytest.raises(ValueError, match=re.escape(f"--cfg-options {word}: the brackets")):
        parse_options(["fine=1", word])


def test_the_documentation_lists_the_codes_and_the_commands():
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    codes = dict(re.findall(r"^\| (\d+) \| `(\w+)` \|", page, re.MULTILINE))
    assert codes == {str(code.value): code.name for code in ExitCode}
    listed = re.findall(r"^\| `([\w-]+)` \| `(tools/[\w/.]+)` \|", page, re.MULTILINE)
    assert [name for name, _ in listed] == list(COMMANDS)
    assert all(TOOLS[next(path for path in TOOLS if str(path) == tool)][1] == name for name, tool in listed)


def test_a_batch_that_is_not_the_recipes_is_refused_with_three_ways_on(tmp_path, capsys):
    config = str(ROOT / "configs/pose/hourglass4_coco_512.py")
    assert main(["train", config, "--work-dir", str(tmp_path)]) == ExitCode.FAULT
    message = capsys.readouterr().err
    for way in ("--auto-batch", "--scale-lr", "train_dataloader.batch_size=32"):
        assert way in message
