"""What a shell completes: commands, options, their values, recipes and files."""

import shutil
import subprocess

import pytest

from aemm.cli import COMMANDS, main
from aemm.cli.outcome import ExitCode


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """A function that makes the script of a shell."""
    folder = tmp_path_factory.mktemp("completion")

    def make(shell):
        with pytest.MonkeyPatch.context() as patch:
            printed = []
            patch.setattr("builtins.print", lambda text, **_: printed.append(text))
            assert main(["completion", shell]) == ExitCode.DONE
        path = folder / shell
        path.write_text("\n".join(printed))
        return path

    return make


@pytest.fixture(scope="module")
def complete(script):
    """A function from words to what bash would offer for the last of them."""
    path = script("bash")

    def offer(*words):
        code = f"source {path}; COMP_WORDS=({' '.join(map(repr, words))}); COMP_CWORD={len(words) - 1}; _aemm"
        run = ["bash", "-c", f'{code}; printf "%s\\n" "${{COMPREPLY[@]}}"']
        return set(subprocess.run(run, capture_output=True, text=True, check=True, cwd=path.parent).stdout.split())

    return offer


def test_bash_completes_commands_options_values_recipes_and_files(complete):
    assert complete("aemm", "") == {*COMMANDS, "--help", "--version"}
    assert complete("aemm", "tr") == {"train"}
    assert complete("aemm", "train", "--res") == {"--resume"}
    assert complete("aemm", "train", "--amp", "b") == {"bfloat16"}
    assert complete("aemm", "train", "pose/hrnet_w32_coco_512") == {
        "pose/hrnet_w32_coco_512",
        "pose/hrnet_w32_coco_512_udp",
    }
    assert complete("aemm", "test", "bas") == {"bash"}  # the file
    assert complete("aemm", "predict", "--model", "pose/hrnet_w32_coco_512_") == {"pose/hrnet_w32_coco_512_udp"}
    assert complete("aemm", "models", "g") == {"get"}
    assert complete("aemm", "completion", "z") == {"zsh"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_accept_their_script(script, shell):
    path = script(shell)
    text = path.read_text()
    assert all(name in text for name in COMMANDS)
    assert "pose/hrnet_w32_coco_512" in text
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: its script was made, but not run")
    subprocess.run([shell, "-n", str(path)], check=True)  # read it, and run nothing
