"""MATLAB files: whole ones are read, damaged ones refused before their reader, which they could end, sees them."""

from io import BytesIO

import numpy as np
import pytest
from scipy.io import savemat

from aemm.formats.matlab import load_mat
from aemm.formats.matlab_check import check_matlab


def content(compressed=False):
    """A file with numbers, text, a cell and structs."""
    file = BytesIO()
    cell = np.empty((1, 2), object)
    cell[0] = [np.arange(3.0), "name"]
    values = {"one": 1.5, "many": np.arange(6, dtype=np.uint8).reshape(2, 3), "z": 1 + 2j, "cell": cell}
    savemat(file, {"x": {"inner": values, "text": "äb"}}, do_compression=compressed)
    return file.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_numbers_texts_cells_and_structs_are_read(compressed, tmp_path):
    (tmp_path / "a.mat").write_bytes(content(compressed))
    inner = load_mat(tmp_path / "a.mat")["x"].inner
    np.testing.assert_array_equal(inner.many, np.arange(6).reshape(2, 3))
    assert (inner.one, inner.z, inner.cell[1]) == (1.5, 1 + 2j, "name")


def test_no_damaged_byte_ends_the_process(tmp_path):
    whole = content()
    refused = []
    for at in range(120, len(whole), 3):
        damaged = bytearray(whole)
        damaged[at] ^= 0xC5
        (tmp_path / "a.mat").write_bytes(damaged)
        try:
            load_mat(tmp_path / "a.mat")
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 50
    assert all("a.mat cannot be read as a MATLAB file" in text for text in refused)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_that_was_cut_off_is_refused(compressed):
    whole = content(compressed)
    for end in range(140, len(whole) - 8, 16):
        with pytest.raises(ValueError, match=r"ends within an element|reaches beyond|cut off|unpacked"):
            check_matlab(whole[:end])


@pytest.mark.parametrize("start", [b"", b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3 MAT-file".ljust(512)])
def test_files_of_other_versions_are_named(start):
    with pytest.raises(ValueError, match=r"no MATLAB file of version 5 to 7\.2"):
        check_matlab(start)


def test_an_array_that_holds_less_than_it_says_is_refused():
    whole = bytearray(content())
    at = bytes(whole).index(np.array([2, 3], "<i4").tobytes())
    whole[at] = 200
    with pytest.raises(ValueError, match="an array of 600 numbers holds 6 bytes of type 2"):
        check_matlab(bytes(whole))
