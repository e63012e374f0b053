"""Large sets in few arrays, which processes share."""

import gc
import json
import multiprocessing
import pickle

import numpy as np
import pytest

from aemm.formats.files import read_json
from aemm.formats.packed import PackedValues, SharesArrays, numbers, packed_ids
from aemm.ops.collector import collector_off

VALUES = [None, "a.jpg", "straße/ü.png", "\ud800", [[1, 2.5, -3]], {"size": [2, 3], "counts": "abc"}, [], 10**30, True]


class _Table(SharesArrays):
    def __init__(self):
        self.name = "table"
        self.large = np.arange(50_000)
        self.small = np.arange(3)


def _describe(table, answer):
    is_mapped = isinstance(table.large.base, np.memmap)
    answer.put((table.name, int(table.large.sum()), table.small.tolist(), is_mapped))


def _send(table, method):
    context = multiprocessing.get_context(method)
    answer = context.Queue()
    process = context.Process(target=_describe, args=(table, answer))
    process.start()
    found = answer.get(timeout=60)
    process.join()
    return found


def test_values_come_back_as_they_were():
    packed = PackedValues(VALUES)
    assert list(packed) == VALUES
    assert [type(value) for value in packed] == [type(value) for value in VALUES]
    assert packed[-2] == 10**30
    with pytest.raises(IndexError):
        packed[len(VALUES)]
    assert list(PackedValues([])) == []


def test_equal_values_have_equal_bytes_wherever_they_come_from():
    one, other = json.loads("[[1.5, 2, 3]]"), [[1.5, 2, 3]]
    also = [one, one]
    packed = PackedValues([one, other, also[0], [[1.5, 2, 4]]])
    assert packed.part(0) == packed.part(1) == packed.part(2) != packed.part(3)


@pytest.mark.parametrize("ids", [[3, 1, -(2**63)], [1, "1"], ["a", "b"], [2**63], []])
def test_identifiers_keep_their_kind(ids):
    assert list(packed_ids(ids)) == ids
    assert [type(key) for key in packed_ids(ids)] == [type(key) for key in ids]


def test_lists_of_numbers_become_rows():
    np.testing.assert_array_equal(numbers([[1, 2.5], [3, 4]], 2), [[1, 2.5], [3, 4]])
    assert numbers([], 4).shape == (0, 4)


@pytest.mark.parametrize("method", [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()])
def test_a_process_gets_the_arrays_and_maps_them_where_it_is_started_anew(method):
    table = _Table()
    total = int(table.large.sum())
    assert _send(table, method) == ("table", total, [0, 1, 2], method == "spawn")


def test_a_pickle_for_later_holds_the_arrays_themselves():
    copy = pickle.loads(pickle.dumps(_Table()))
    np.testing.assert_array_equal(copy.large, np.arange(50_000))
    assert "_file" not in vars(copy)


def test_the_collector_is_as_before_afterwards():
    assert gc.isenabled()
    with collector_off():
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.mark.parametrize(
    "text",
    [
        '{"images": [{"id": 123456789012345678901234, "x": [1.0, 2, -0.0]}]}',
        '{"images": [{"id": 18446744073709551616}]}',
        '{"images": [{"area": NaN}, {"area": Infinity}]}',
        '{"images": [{"id": 3.0, "name": "\\ud800"}]}',
        '\ufeff{"images": [{"id": 1}, {"id": 1, "id": 2}]}',
    ],
)
def test_a_file_reads_alike_with_and_without_the_extra(tmp_path, monkeypatch, text):
    pytest.importorskip("orjson", reason="orjson, an optional package, is not installed")
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with_extra = read_json(str(path), ["images"])
    monkeypatch.setitem(__import__("sys").modules, "orjson", None)
    assert repr(read_json(str(path), ["images"])) == repr(with_extra)
