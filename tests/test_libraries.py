import importlib.util
import sys

import pytest

from aemm.libraries import library, pass_over_broken_torchvision, torchvision_fault


@pytest.fixture
def broken_torchvision(tmp_path, monkeypatch):
    """One whose compiled part finds another torch."""
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    torchvision_fault.cache_clear()
    yield
    torchvision_fault.cache_clear()


def test_a_broken_torchvision_is_passed_over_with_the_remedy(broken_torchvision):
    with pytest.warns(UserWarning, match=r"does not start \(operator torchvision::nms .*from the same index"):
        pass_over_broken_torchvision()
    assert importlib.util.find_spec("torchvision") is None
    with pytest.raises(ModuleNotFoundError):
        import torchvision  # noqa: F401


def test_a_library_that_needs_the_one_passed_over_says_why_it_does_not_start(broken_torchvision, tmp_path, monkeypatch):
    (tmp_path / "needy.py").write_text("import torchvision.ops\n")
    monkeypatch.delitem(sys.modules, "needy", raising=False)
    with pytest.warns(UserWarning, match="is passed over"):
        pass_over_broken_torchvision()
    with pytest.raises(ImportError, match=r"It needs needy, which .* start \(operator torchvision::nms .* same index"):
        library("needy", "It")


def test_an_absent_torchvision_is_nothing_to_tell(monkeypatch, recwarn):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    torchvision_fault.cache_clear()
    pass_over_broken_torchvision()
    torchvision_fault.cache_clear()
    assert not recwarn.list


def test_a_library_is_named_with_its_extra_and_a_broken_one_with_its_error(tmp_path, monkeypatch):
    with pytest.raises(
        ImportError, match=r'It needs no_such.part, but no_such is not .* pip install "aemm\[no_such\]"'
    ):
        library("no_such.part", "It")
    (tmp_path / "broken_one.py").write_text("raise RuntimeError('no kernel')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ImportError, match=r"installed but does not start \(no kernel\)"):
        library("broken_one", "It")
