import os
from unittest.mock import patch

import pytest
import torch
from mmengine.runner import Runner as _Runner

from aemm.engine.loops import TestLoop, ValLoop
from aemm.engine.runner import Runner
from tests.engine.small_runs import small_runner


@pytest.mark.parametrize(("cuda", "asked", "pinned"), [(True, {}, True), (False, {}, False), (True, False, False)])
def test_batches_are_pinned_beside_a_gpu_unless_a_config_says_no(cuda, asked, pinned):
    loader = dict(batch_size=2) | ({} if asked == {} else dict(pin_memory=asked))
    with (
        patch("torch.cuda.is_available", lambda: cuda),
        patch.object(_Runner, "build_dataloader", staticmethod(lambda loader, seed, diff: loader)),
    ):
        assert Runner.build_dataloader(loader)["pin_memory"] is pinned


def test_a_deterministic_run_sets_what_cublas_needs(tmp_path, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        small_runner(tmp_path, randomness__deterministic=True)
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.deterministic = False


@pytest.mark.parametrize("loop", [ValLoop, TestLoop])
def test_measuring_searches_for_no_algorithms_and_training_goes_on_as_before(monkeypatch, loop):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    with patch.object(loop.__base__, "run", lambda self: torch.backends.cudnn.benchmark):
        assert loop.__new__(loop).run() is False
    assert torch.backends.cudnn.benchmark
