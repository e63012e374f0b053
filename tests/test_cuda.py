"""Training, testing and decoding on a GPU are those of the CPU, and CUDA waits where the stand-in does."""

import copy
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from tests.device_checks import FAMILIES, STEPS, awake, recipe, train
from tests.test_configs import batch_of

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU with CUDA")


@pytest.fixture(autouse=True)
def full_precision():
    """No TF32, so that the CPU's figures can be expected."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


@contextmanager
def waited():
    """Collect the warnings that CUDA gives where the CPU waits for the device."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            places: list[str] = []
            yield places
    finally:
        torch.cuda.set_sync_debug_mode("default")
    places += [f"{w.filename}:{w.lineno}" for w in said if "synchronizing CUDA operation" in str(w.message)]


@pytest.mark.parametrize("name", STEPS)
def test_a_training_step_is_that_of_the_cpu(name):
    cfg, model = recipe(name)
    there = copy.deepcopy(model).cuda()
    batch = batch_of(cfg, "train_dataloader")
    expected, _ = train(model, cfg, batch)
    pinned = batch.pin_memory()
    train(copy.deepcopy(there), cfg, pinned)  # what is allocated and chosen once
    with waited() as places:
        losses, _ = train(there, cfg, pinned)
    for key, value in expected.items():
        torch.testing.assert_close(losses[key].cpu(), value, rtol=1e-3, atol=1e-6, equal_nan=True)
    assert len(places) <= STEPS[name], places


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_found_is_what_the_cpu_finds(name):
    scales, waits = FAMILIES[name]
    cfg, model = recipe(name, scales)
    batch = batch_of(cfg, "test_dataloader")
    model = awake(model.eval(), batch)
    there = copy.deepcopy(model).cuda()
    for corrector in there.postprocessors:
        corrector.device = "cuda"
        corrector.load()
    with torch.no_grad():
        expected = model.test_step(batch)
        there.test_step(batch.pin_memory())
        with waited() as places:
            found = there.test_step(batch.pin_memory())
    for one, other in zip(found, expected, strict=True):
        assert len(one) == len(other) > 0
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
        if other.keypoints is not None:
            np.testing.assert_allclose(one.keypoints, other.keypoints, atol=1e-2)
        if other.masks is not None:
            assert one.masks == other.masks
    assert len(places) <= waits, places


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["pose/higherhrnet_w32_coco_512", "instance/hourglass4_voc_256"])
def test_mixed_precision_trains_near_full_precision(name, dtype):
    cfg, model = recipe(name)
    batch = batch_of(cfg, "train_dataloader")
    plain, _ = train(copy.deepcopy(model).cuda(), cfg, batch.pin_memory())
    cfg.optim_wrapper.update(type="AmpOptimWrapper", dtype=dtype)
    mixed, _ = train(model.cuda(), cfg, batch.pin_memory())
    for key, value in plain.items():
        if key.startswith("loss"):
            torch.testing.assert_close(mixed[key], value, rtol=0.1, atol=1e-3)
