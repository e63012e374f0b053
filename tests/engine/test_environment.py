"""What aemm runs on is told, with the remedy for what is missing."""

import json
from importlib import metadata

import pytest

import aemm
from aemm.cli import main
from aemm.cli.outcome import ExitCode
from aemm.engine import environment
from aemm.engine.environment import describe_environment


def test_versions_devices_threads_and_extras_are_told(capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert main(["info", "--json"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["aemm"]["version"] == aemm.__version__
    assert found["versions"]["numpy"] == metadata.version("numpy")
    assert "may be used" in found["threads"]["processors"]
    assert "OMP_NUM_THREADS=1" in found["threads"]["torch"]
    assert {"CPU"} < set(found["devices"])
    assert main(["info"]) == ExitCode.DONE
    assert metadata.version("torch") in capsys.readouterr().out


def test_what_is_missing_comes_with_the_command_that_installs_it(monkeypatch):
    def version(name):
        if name in ("scipy", "fancy"):
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(environment.metadata, "version", version)
    wanted = ["numpy>=1", 'fancy[x]>=2; extra == "fancy"', "there>1; extra=='there'", 'pytest; extra == "tests"']
    monkeypatch.setattr(environment.metadata, "requires", lambda name: wanted)
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    found = {title: dict(rows) for title, rows in describe_environment().items()}
    assert found["versions"]["scipy"] == "missing; pip install scipy"
    assert "overwrite each other" in found["versions"]["opencv-python twice"]
    assert found["extras"] == {"fancy": 'not installed; pip install "aemm[fancy]"', "there": "1.0"}
    assert "apt-get install" in found["compiler"]["C++"]


def test_a_copy_that_is_not_installed_says_so(monkeypatch):
    def nothing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(environment.metadata, "requires", nothing)
    assert "pip install --editable" in dict(describe_environment()["extras"])["unknown"]


@pytest.mark.parametrize("home", ["", "elsewhere"])
def test_where_downloads_go_is_told(monkeypatch, home):
    monkeypatch.setenv("AEMM_HOME", home)
    assert ("elsewhere" in dict(describe_environment()["aemm"])["downloads"]) == bool(home)
