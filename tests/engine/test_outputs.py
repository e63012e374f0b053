import os

import pytest

from aemm.engine.outputs import check_file, check_folder


def test_missing_folders_are_made_and_nothing_is_left_in_them(tmp_path):
    check_folder(tmp_path / "a" / "b", "--out-dir")
    check_file(tmp_path / "c" / "d.json", "--json")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["a", "a/b", "c"]


def test_a_file_that_exists_stays_as_it_is(tmp_path):
    file = tmp_path / "found.json"
    file.write_text("before")
    os.utime(file, (1, 1))
    check_file(file, "--json")
    assert file.read_text() == "before"
    assert file.stat().st_mtime == 1


@pytest.mark.parametrize("place", ["file", "file/x", "file/x/y"])
def test_what_lies_below_a_file_is_refused(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match=r"cannot be written to \(.*file.* is not below a folder\).*--out-dir"):
        check_folder(tmp_path / place, "--out-dir")
    with pytest.raises(PermissionError, match=r"z\.json cannot be written to .* choose another --json"):
        check_file(tmp_path / place / "z.json", "--json")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(PermissionError, match="it is a folder, not a file"):
        check_file(tmp_path, "--json")


def test_what_is_read_is_not_written_over(tmp_path):
    source = tmp_path / "weights.pth"
    source.write_text("")
    (tmp_path / "link.pth").symlink_to(source)
    check_file(tmp_path / "other.pth", "target", source, tmp_path / "not there")
    for name in ("weights.pth", "link.pth"):
        with pytest.raises(PermissionError, match="it is also what is read"):
            check_file(tmp_path / name, "target", tmp_path / "not there", source)
