from types import SimpleNamespace

import numpy as np
import pytest
import torch

from aemm.engine import ShowHook, show
from aemm.records import DatasetInfo, Instances


class _Model(torch.nn.Module):
    def data_preprocessor(self, batch):
        return {"batch": batch}

    def maps(self, batch):
        return SimpleNamespace(size=(4, 4))


@pytest.fixture
def runner(monkeypatch):
    monkeypatch.setattr(show, "draw_result", lambda original, *_: original)
    dataset = SimpleNamespace(metainfo=DatasetInfo("test"))
    return SimpleNamespace(
        model=_Model(), test_dataloader=SimpleNamespace(dataset=dataset), logger=SimpleNamespace(info=lambda _: None)
    )


def _batch(size):
    images = [torch.zeros(size, 3, 8, 8, dtype=torch.uint8)]
    return SimpleNamespace(
        images=images, warp=np.eye(3)[None].repeat(size, 0), convention="continuous", map_warp=lambda *_: np.eye(3)
    )


def _test(hook, runner, ids, size):
    for start in range(0, len(ids), size):
        part = ids[start : start + size]
        found = [Instances(key, (8, 8), np.zeros(0)) for key in part]
        hook.after_test_iter(runner, start // size, _batch(len(part)), found)
    hook.after_test(runner)


@pytest.mark.parametrize("limit", [0, 1, 6, 8, 100])
@pytest.mark.parametrize("size", [1, 4, 5])
def test_as_many_images_are_drawn_as_the_limit_says(tmp_path, runner, limit, size):
    _test(ShowHook(str(tmp_path / "out"), limit), runner, list(range(17)), size)
    assert len(list((tmp_path / "out").glob("*.png"))) == min(limit, 17)


@pytest.mark.parametrize(("limit", "processes"), [(6, 4), (5, 2), (1, 3), (8, 4)])
def test_processes_share_the_limit(tmp_path, runner, monkeypatch, limit, processes):
    for rank in range(processes):
        monkeypatch.setattr(show, "get_dist_info", lambda rank=rank: (rank, processes))
        _test(ShowHook(str(tmp_path), limit), runner, list(range(rank, 40, processes)), 4)
    assert len(list(tmp_path.glob("*.png"))) == limit


def test_identifiers_that_look_alike_have_pictures_of_their_own(tmp_path, runner):
    ids = ["cam/1", "cam 1", "cam_1", "CAM_1", 1, "1", "../1", "a" * 400, "a" * 401]
    _test(ShowHook(str(tmp_path / "out"), 20), runner, ids, 2)
    assert len(list((tmp_path / "out").iterdir())) == len(ids)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
