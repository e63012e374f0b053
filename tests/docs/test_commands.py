"""Console blocks of the documentation: their parsers take every command, the cheap ones run."""

import argparse
import re
import runpy
import shlex
import sys
from unittest.mock import patch

import pytest

from aemm.apis import get_config
from aemm.cli import COMMANDS, build_parser, main
from aemm.cli.outcome import ExitCode
from tests.docs.pages import PAGES, ROOT, commands, prose
from tests.docs.world import draw_world

# What is run, in a folder with drawn images and tiny networks of the names that the pages use, in this order.
RUN = [
    "aemm info",
    "aemm check-data annotations.json images",
    "aemm init annotations.json",
    "aemm init birds/annotations.json",
    "aemm browse birds/birds.py --out-dir birds/pictures",
    "aemm convert-data yolo-pose tigers/data.yaml --out converted",
    "aemm check-data converted/train.json tigers/images/train --skeleton converted/skeleton.json",
    "aemm test configs/pose/hrnet_w32_coco_512.py checkpoint.pth --dump found.json",
    "aemm evaluate found.json configs/pose/hrnet_w32_coco_512.py",
    "python tools/predict.py configs/pose/hrnet_w32_coco_512.py CHECKPOINT photos --out-dir pictures --no-flip",
]
# What the test adds to them: an answer that a reader would type, fewer pictures.
ADDED = {
    "aemm init annotations.json": ["--yes"],
    "aemm init birds/annotations.json": ["--yes"],
    "aemm browse birds/birds.py --out-dir birds/pictures": ["--limit", "1"],
}
# Why the commands that begin so are not run. Those of aemm and of its scripts are parsed all the same.
NOT_RUN = {
    "make": "trains, tests or installs for minutes; that the targets exist is tested with the README",
    "pip": "installs; that the extras exist is tested here",
    "python3 -m venv": "makes an environment",
    ".": "enters an environment",
    ".venv/bin/pre-commit": "changes the git repository",
    "cd": "goes to the reader's folder",
    "for": "asks a package index",
    "do": "the same",
    "done": "the same",
    "aemm train": "trains for minutes; tests/test_training.py trains",
    "python tools/train.py": "the same",
    "bash tools/dist_train.sh": "trains on several GPUs; tests/test_training.py trains in two processes",
    "bash tools/dist_test.sh": "tests on several GPUs; tests/test_training.py tests in two processes",
    "python tools/test.py": "needs a data set; aemm test, which is the same, runs above",
    "aemm test": "needs a trained network; one with drawn data runs above",
    "aemm check": "runs a network at full width; tests/engine/test_trial.py checks small ones",
    "aemm report": "tests networks, which the first words of the list do; tests/engine/test_report.py reports",
    "aemm pack": "needs COCO; tests/formats/test_shards.py packs drawn images",
    "aemm profile": "runs a network at full width; tests/apis/test_prediction_times.py measures a small one",
    "aemm curves": "needs logs of two trainings; tests/engine/test_report.py draws them",
    "aemm export": "traces a network at full width; tests/export writes files of small ones",
    "aemm models": "downloads weights; tests/engine/test_published.py gets them from a server of its own",
    "find": "lists the reader's photos",
    "aemm predict CONFIG CHECKPOINT 'shard_*'": "starts Ray; tests/apis/test_on_ray.py does so",
    "aemm predict --model": "downloads weights, likewise",
    "aemm convert": "needs a published checkpoint; tests/engine/test_convert.py draws the like of them",
    "python tools/checkpoint_tools/convert.py": "is that command",
    "python tools/analysis_tools/complexity.py": "builds large networks; tests/engine counts small ones",
    "python tools/analysis_tools/instance_decode_cap.py": "needs COCO",
    "aemm-runtime": "needs an exported network; tests/runtime runs them",
    "python tools/predict.py": "is the command that runs above, with a video; tests/apis predicts from videos",
    "python tools/analysis_tools/oracle.py": "tests a network four times; tests/engine/test_oracle.py does so",
    "python tools/checkpoint_tools/map_keypoints.py": "needs a checkpoint of COCO; tests/tools maps one",
    "python tools/dataset_tools/mpii_to_coco.py": "needs MPII's files; tests/tools draws the like of them",
    "python tools/dataset_tools/join_annotations.py": "needs CrowdPose's files; tests/tools joins drawn ones",
    "python -m tests.faults.kill_and_resume": "takes hours; tests/faults makes ten of the trials",
    "python -m tests.faults.soak": "takes an hour",
}
FOUND = [(str(block), words) for block, words in commands()]
OURS = [(place, words) for place, words in FOUND if words[0] in ("aemm", "python", "bash")]


class Parsed(BaseException):
    """A command line was read to its end."""


def parse(words):
    """Let whoever would read a command line read it, and do no more."""
    read = argparse.ArgumentParser.parse_args

    def read_alone(self, *args, **kwargs):
        read(self, *args, **kwargs)
        raise Parsed

    with patch.object(argparse.ArgumentParser, "parse_args", read_alone), patch.object(sys, "argv", words[1:]):
        if words[0] == "aemm":
            main(words[1:])
        elif words[0] == "python" and words[1] == "-m":
            sys.argv = words[2:]
            runpy.run_module(words[2], run_name="__main__")
        else:
            runpy.run_path(str(ROOT / words[1]), run_name="__main__")


def spelt_out(words):
    """The command that a launch script starts in each process."""
    if words[0] != "bash":
        return words
    count = {"dist_train": 2, "dist_test": 3}[re.search(r"(\w+)\.sh$", words[1])[1]]
    tool = words[1].replace("dist_", "").replace(".sh", ".py")
    assert words[1 + count].isdigit(), f"{words[1 + count]!r} is no number of processes"
    return ["python", tool, *words[2 : 1 + count], "--launcher", "pytorch", *words[2 + count :]]


@pytest.mark.parametrize(("place", "words"), OURS, ids=[place for place, _ in OURS])
def test_every_command_is_read_by_its_parser(place, words, capsys):
    words = spelt_out(words)
    with pytest.raises((Parsed, SystemExit)) as caught:
        parse(words)
    assert caught.type is Parsed, f"{place}: {shlex.join(words)}\n{capsys.readouterr().err}"


def test_a_command_that_is_wrong_would_be_noticed(capsys):
    for words in (["aemm", "train", "a.py", "--thresold", "1"], ["python", "tools/train.py", "a.py", "--fast"]):
        with pytest.raises(SystemExit) as caught:
            parse(words)
        assert caught.value.code == ExitCode.USAGE
    assert "--fast" in capsys.readouterr().err


def test_every_command_runs_or_says_why_not():
    told = {shlex.join(words) for _, words in FOUND}
    assert set(RUN) <= told
    rest = told - set(RUN)
    nameless = {line for line in rest if not any(f"{line} ".startswith(f"{start} ") for start in NOT_RUN)}
    assert not nameless
    assert all(any(line.startswith(start) for line in rest) for start in NOT_RUN), "a reason for no command"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return draw_world(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("line", RUN)
def test_commands_run(line, world, monkeypatch, capsys):
    monkeypatch.chdir(world)
    words = shlex.split(line)
    name = words[1] if words[0] == "aemm" else re.search(r"(\w+)\.py$", words[1])[1]
    assert main([name, *words[2:], *ADDED.get(line, ())]) == ExitCode.DONE, capsys.readouterr().err


def test_every_recipe_and_file_of_a_command_is_there():
    for place, words in FOUND:
        for word in words:
            if re.match(r"(configs|tools|docs|benchmarks|requirements)/", word):
                assert any(ROOT.glob(word)), f"{place}: there is no {word}"
        if "--model" in words:
            get_config(words[words.index("--model") + 1])


def test_commands_within_sentences_have_the_options_that_are_named():
    options = {name: set() for name in COMMANDS}
    (choice,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    for name, parser in choice.choices.items():
        options[name] |= set(parser._option_string_actions)
    wrong = []
    for page in PAGES:
        for code in re.findall(r"`aemm ([^`\n]+)`", prose(page)):
            name, *words = code.split()
            if re.fullmatch(r"[a-z][a-z-]*", name):
                named = {word.partition("=")[0] for word in words if word.startswith("--")}
                wrong += [f"{page}: aemm {code}"] if named - options.get(name, set()) or name not in options else []
    assert not wrong


def test_every_extra_that_is_installed_exists():
    extras = set(re.findall(r'^ +"(\w+)": read_requirements', (ROOT / "setup.py").read_text(), re.MULTILINE))
    lines = (ROOT / "requirements" / "optional.txt").read_text().splitlines()
    extras |= {re.split(r"[^\w-]", line)[0] for line in lines if line and line[0] != "#"}
    for page in PAGES:
        for names in re.findall(r'pip install[^`\n]*"(?:aemm|\.|\./runtime)\[([\w,-]+)\]"', prose(page)):
            assert set(names.split(",")) <= extras, page
    for place, words in FOUND:
        for word in words:
            found = re.fullmatch(r"(?:aemm|\.)\[([\w,-]+)\]", word)
            assert not found or set(found[1].split(",")) <= extras, place
