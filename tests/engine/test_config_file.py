"""What is wrong with a config file, or with a module that it imports, is said with file and line."""

import re
from copy import deepcopy

import pytest
from mmengine.config import Config

from aemm.engine import ConfigError
from aemm.engine.config_file import read_config


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return str(folder / "own.py")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            dict(own="a = 1\nb = a / 0\n"),
            r"own.py cannot be loaded: ZeroDivisionError: division by zero \(\S+own.py:2\)",
        ),
        (dict(own="a = (\n"), r"own.py is no Python: SyntaxError: '\(' was never closed \(\S+own.py:1\)"),
        (dict(own='_base_ = "base.py"', base="\n\na = b\n"), r"NameError: name 'b' is not defined \(\S+base.py:3\)"),
        (dict(own='_base_ = "base.py"', base="\na = )\n"), r"base.py is no Python: .*base.py:2\)"),
        (dict(own='_base_ = ["lost.py"]'), r"own.py inherits 'lost.py', but there is no file \S+lost.py"),
        (dict(own='_base_ = "base.py"', base='_base_ = "own.py"'), r"own.py inherits itself, by own.py, base.py"),
        (dict(own='_base_ = ["a.py", "b.py"]', a="x = 1", b="x = 2"), r"Duplicate key is not allowed among bases.*'x'"),
        (
            dict(own='_base_ = "base.py"\na = {{_base_.pipelin}}', base="pipeline = []"),
            r"own.py reads _base_.pipelin, which no file that it inherits sets; did you mean _base_.pipeline\?",
        ),
        (dict(own='_base_ = "base.py"\na = _base_.xyz', base="b = 1"), r"own.py reads _base_.xyz, which no file"),
        (dict(own="text = 1"), r"text is reserved for config file"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_named_with_the_line(files, message, tmp_path):
    path = write(tmp_path, **files)
    with pytest.raises(ConfigError, match=message):
        read_config(path)


def test_what_is_no_config_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is a folder"):
        read_config(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_config(str(tmp_path / "lost.py"))
    (tmp_path / "own.txt").write_text("a = 1")
    with pytest.raises(ConfigError, match=r"must end in one of \.py"):
        read_config(str(tmp_path / "own.txt"))
    (tmp_path / "own.py").write_bytes(b"\x80\x02}q\x00")
    with pytest.raises(ConfigError, match=r"is no text in UTF-8 \(byte 0\); is it a checkpoint\?"):
        read_config(str(tmp_path / "own.py"))
    (tmp_path / "own.json").write_text("{")
    with pytest.raises(ConfigError, match=r"own\.json cannot be loaded: JSONDecodeError"):
        read_config(str(tmp_path / "own.json"))


def test_configs_in_other_formats_are_read(tmp_path):
    (tmp_path / "base.json").write_text('{"a": [1, 2]}')
    (tmp_path / "own.yaml").write_text("_base_: base.json\nb: {{_base_.a}}\n")
    cfg, _ = read_config(str(tmp_path / "own.yaml"))
    assert cfg.b == [1, 2]


def test_yaml_keeps_tuples_and_refuses_the_tag_of_a_call_even_in_a_base(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("a: !!python/tuple [1, [2]]\n")
    assert read_config("own.yaml")[0].a == (1, [2])
    (tmp_path / "base.yml").write_text("a: !!python/object/apply:os.mkdir [ran]\n")
    (tmp_path / "own.json").write_text('{\t"_base_": "base.yml"}')
    (tmp_path / "own.py").write_text('_base_ = "base.yml"\n')
    for name in ("base.yml", "own.json", "own.py"):
        with pytest.raises(ConfigError, match=r"cannot be loaded: ConstructorError.*tag.*os\.mkdir"):
            read_config(name)
    assert not (tmp_path / "ran").exists()


PARTS = {
    "with_a_bug": (
        "def f():\n    return 1 / 0\n\n\nf()\n",
        r"ZeroDivisionError: division by zero \(\S+with_a_bug.py:2\)",
    ),
    "with_a_slip": ("def f(:\n", r"SyntaxError: invalid syntax \(\S+with_a_slip.py:1\)"),
    "with_a_need": ("import os\nimport absent_x\n", r"No module named 'absent_x' \(\S+with_a_need.py:2\); install it"),
    "with_a_typo": (
        "from os import pahts\n",
        r"ImportError: cannot import name 'pahts' from 'os' .*with_a_typo.py:1\)",
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_fault_within_an_imported_module_is_shown_and_no_path_is_blamed(name, tmp_path, monkeypatch):
    text, message = PARTS[name]
    monkeypatch.syspath_prepend(str(tmp_path))
    path = write(tmp_path, own=f"custom_imports = dict(imports=['{name}'])", **{name: text})
    with pytest.raises(ConfigError, match=f"custom_imports: {name} cannot be imported: .*{message}") as caught:
        read_config(path)
    assert "PYTHONPATH" not in str(caught.value)


def test_every_failing_import_is_listed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    path = write(tmp_path, own="custom_imports = dict(imports=['a_bug', 'absent_y', 'mmengine.absent'])", a_bug="1 / 0")
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    bug, absent, inner = str(caught.value).splitlines()
    assert "a_bug.py:1" in bug
    assert "no module 'absent_y'; start the command with PYTHONPATH=FOLDER, the one that holds absent_y.py" in absent
    assert re.search(r"'mmengine' at \S+ has no module 'mmengine.absent'", inner)


def test_a_module_beside_the_config_is_found_for_the_advice(tmp_path):
    path = write(tmp_path, own="custom_imports = dict(imports='beside_z')", beside_z="")
    with pytest.raises(ConfigError, match=rf"no module 'beside_z'; start the command with PYTHONPATH={tmp_path}"):
        read_config(path)


def test_imports_that_may_fail_are_left_out_with_a_warning(tmp_path):
    lines = "custom_imports = dict(imports=['absent_v'], allow_failed_imports=True)"
    with pytest.warns(UserWarning, match="no module 'absent_v'.*left out"):
        read_config(write(tmp_path, own=lines))


def test_imports_of_another_form_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"custom_imports must be dict\(imports=\['my_module'\]\), got \['a'\]"):
        read_config(write(tmp_path, own="custom_imports = ['a']"))


def test_the_text_of_a_config_is_that_of_mmengine_and_formatted_once_while_it_stays(tmp_path, monkeypatch):
    path = write(tmp_path, own="model = dict(type='A', sizes=[1, (2, 3)])\nlr = 1e-3\n")
    cfg, _ = read_config(path)
    formatted = []
    text_of = Config.pretty_text.fget
    monkeypatch.setattr(Config, "pretty_text", property(lambda config: formatted.append(config) or text_of(config)))
    texts = [cfg.pretty_text, deepcopy(cfg).pretty_text, cfg.dump(), Config.fromfile(path).pretty_text]
    assert len(set(texts)) == 1
    assert len(formatted) == 2  # once, and for mmengine's own
    cfg.model.sizes[1] = 4
    assert "4" in cfg.pretty_text
    assert len(formatted) == 3
