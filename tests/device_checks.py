"""Training, testing and decoding on a device that is not the CPU; tests/stand_in.py says what the device is."""

import copy
from unittest.mock import patch

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch.utils._pytree import tree_map

from aemm.engine.checkpoint import load_from_local, to_plain
from aemm.engine.config import set_views
from aemm.ops.tags import add_coordinates
from aemm.registry import MODELS
from aemm.structures import Maps
from tests import stand_in
from tests.engine.small_runs import small_runner
from tests.test_configs import CONFIGS, batch_of, small

# recipes of every family; the scales at which they are tested, and how often an image is waited for there
FAMILIES = {
    "pose/hourglass4_coco_512": ((2, 1, 0.5), 2),
    "pose/hourglass4_mpii_512": ((2, 1, 0.5), 2),
    "pose/hrnet_w32_coco_512": ((2, 1, 0.5), 2),
    "pose/higherhrnet_w32_coco_512": ((2, 1, 0.5), 2),
    "pose/higherhrnet_w32_coco_512_udp": ((2, 1, 0.5), 2),
    "pose/resnet50_coco_512": ((2, 1, 0.5), 2),
    "pose/hourglass4_coco_512_refine": ((1,), 6),  # the people of each of two images come in two batches
    "pose/refine_hourglass4_coco_512": (None, 1),
    "instance/hourglass4_voc_256": ((1.5, 1, 0.5), 3),  # every scale has proposals of its own
    "synthetic/pose_hourglass_tiny_128": (None, 2),
    "synthetic/instance_hourglass_tiny_128": (None, 1),
}
# how often a training step is waited for: the pixel loss chooses its pairs at every stage
STEPS = {name: 0 for name in FAMILIES if not name.endswith("refine")} | {
    "instance/hourglass4_voc_256": 4,
    "synthetic/instance_hourglass_tiny_128": 1,
}


@pytest.fixture(scope="module")
def device():
    """The stand-in device, and pinned memory that belongs to it."""
    with (
        patch.object(torch.Tensor, "pin_memory", stand_in.pin_memory),
        patch.object(torch.Tensor, "is_pinned", stand_in.is_pinned),
    ):
        yield stand_in.install()


def recipe(name, scales=None):
    cfg = small(CONFIGS / f"{name}.py")
    if scales:
        set_views(cfg, scales, None)
    if "max_peaks" in cfg.model.decoder:
        cfg.model.decoder.max_peaks = 5
    torch.manual_seed(0)
    return cfg, MODELS.build(cfg.model)


def awake(model, batch):
    """The model of random weights with maps that hold peaks and differing tags."""
    with torch.no_grad():
        stages = model.head(model.backbone(model.data_preprocessor(batch)["batch"].images[0]))
    mean, spread = stages[-1].heatmaps.mean().item(), stages[-1].heatmaps.std().item()
    tags = next((s.tags for s in stages if s.tags is not None), None)
    wide = 1.0 if tags is None else tags.std().item()

    def stretch(module, inputs, found):
        return [
            Maps((s.heatmaps - mean) * (0.3 / spread), None if s.tags is None else s.tags * (2 / wide)) for s in found
        ]

    model.head.register_forward_hook(stretch)
    return model


def test_the_device_refuses_what_a_gpu_refuses_and_counts(device):
    here, there = torch.arange(12.0).view(3, 4), torch.arange(12.0).view(3, 4).to(device)
    with pytest.raises(RuntimeError, match="same device"):
        here + there
    with pytest.raises(RuntimeError, match="expected all tensors on stand_in"):
        there[torch.tensor([0, 1])]
    with pytest.raises(RuntimeError, match=r"not implemented for torch\.int64"):
        there.long() @ there.long().T
    with pytest.raises(TypeError):
        there.numpy()
    with stand_in.counted() as cost:
        twice = there * 2 + 1
    assert (cost.launches, cost.waited) == (2, 0)
    for wait in (twice.sum().item, twice.cpu, twice.nonzero, lambda: here.to(device), lambda: twice[twice > 3]):
        with stand_in.counted() as cost:
            wait()
        assert cost.waited == 1
    with stand_in.counted() as cost:
        here.pin_memory().to(device, non_blocking=True)
    assert cost.waited == 0


def test_views_of_the_device_share_memory_and_gradients(device):
    x = torch.zeros(3, 4, device=device, requires_grad=True)
    y = x * 1
    y[1:, 1] = 5 * x[0, 0]
    y.transpose(0, 1)[:, 0].sum().backward()
    assert x.grad.cpu().tolist() == [[1, 1, 1, 1], [0] * 4, [0] * 4]
    z = torch.zeros(3, 4, device=device)
    z[:, 2].add_(1)
    assert z.sum().item() == 3


def train(model, cfg, batch):
    """Losses and weights of a training step."""
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    losses = model.train().train_step(batch, optimizer)
    return losses, optimizer


@pytest.mark.parametrize("name", STEPS)
def test_a_training_step_is_that_of_the_cpu_and_waits_for_nothing(device, name):
    cfg, model = recipe(name)
    there = copy.deepcopy(model).to(device)
    batch = batch_of(cfg, "train_dataloader")
    expected, _ = train(model, cfg, batch)
    pinned = batch.pin_memory()
    with stand_in.counted() as cost:
        losses, _ = train(there, cfg, pinned)
    assert cost.waited == STEPS[name], cost.waits
    for key, value in expected.items():
        torch.testing.assert_close(losses[key].cpu(), value, rtol=1e-5, atol=1e-7, equal_nan=True)
    for (key, value), other in zip(model.state_dict().items(), there.state_dict().values(), strict=True):
        torch.testing.assert_close(other.cpu(), value, rtol=1e-4, atol=1e-5, msg=key)


def same(found, expected):
    """See that people or masks are the same."""
    assert len(found) == len(expected)
    assert len(expected) > 0
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    if expected.keypoints is not None:
        np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-3)
        np.testing.assert_allclose(found.keypoint_scores, expected.keypoint_scores, atol=1e-5)
    if expected.masks is not None:
        assert found.masks == expected.masks


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_found_is_what_the_cpu_finds_and_is_waited_for_twice(device, name):
    scales, waits = FAMILIES[name]
    cfg, model = recipe(name, scales)
    batch = batch_of(cfg, "test_dataloader")
    model = awake(model.eval(), batch)
    there = copy.deepcopy(model).to(device)
    for corrector in there.postprocessors:
        corrector.device = str(device)
        corrector.load()
    with torch.no_grad():
        expected = model.test_step(batch)
        with stand_in.counted() as cost:
            found = there.test_step(batch.pin_memory())
    for one, other in zip(found, expected, strict=True):
        same(one, other)
    assert cost.waited == waits, cost.waits


def test_steps_that_an_optimizer_counts_stay_on_the_cpu_through_a_checkpoint(device, tmp_path):
    cfg, model = recipe("synthetic/pose_hourglass_tiny_128")
    cfg.optim_wrapper.optimizer.fused = False  # a fused one counts on the device, and asks nothing of it
    model.to(device)
    batch = batch_of(cfg, "train_dataloader").pin_memory()
    _, optimizer = train(model, cfg, batch)
    state = tree_map(lambda v: v.cpu() if isinstance(v, torch.Tensor) else v, to_plain(optimizer.state_dict()))
    torch.save({"optimizer": state}, tmp_path / "latest.pth")
    restored = build_optim_wrapper(model, cfg.optim_wrapper)
    restored.load_state_dict(load_from_local(str(tmp_path / "latest.pth"), map_location=device)["optimizer"])
    states = restored.optimizer.state.values()
    assert {state["step"].device.type for state in states} == {"cpu"}
    assert {state["exp_avg"].device.type for state in states} == {"stand_in"}
    with stand_in.counted() as cost:
        model.train_step(batch, restored)
    assert cost.waited == 0, cost.waits


def test_a_batch_that_is_not_pinned_is_waited_for_part_by_part(device):
    cfg, model = recipe("pose/higherhrnet_w32_coco_512")
    model.to(device)
    batch = batch_of(cfg, "train_dataloader")
    with stand_in.counted() as cost:
        model.data_preprocessor(batch)
    assert cost.waited == 1 + 2 * 3 + 1  # the image; cells, values and weight of two strides; places of tags
    blocking = MODELS.build(dict(type="Preprocessor", non_blocking=False)).to(device)
    with stand_in.counted() as cost:
        blocking(batch.pin_memory())
    assert cost.waited == 8


def test_coordinates_are_added_in_full_precision():
    tags = torch.zeros(1, 1, 2, 4, 512, dtype=torch.bfloat16)
    x = add_coordinates(tags, 512.0)[0, 0, 0, 0]
    assert x.dtype == torch.float32
    assert (x.diff() == 1).all()


def test_a_run_of_the_runner_waits_only_where_the_log_is_written(device, tmp_path):
    costs = []
    with patch("mmengine.runner.runner.get_device", lambda: stand_in.NAME):
        runner = small_runner(tmp_path, default_hooks__logger__interval=50)
        loader = runner.train_loop.dataloader
        collated, run_iter = loader.collate_fn, runner.train_loop.run_iter
        loader.collate_fn = lambda samples: collated(samples).pin_memory()

        def counted_iter(*arguments):
            with stand_in.counted() as cost:
                run_iter(*arguments)
            costs.append(cost)

        with patch.object(runner.train_loop, "run_iter", counted_iter):
            runner.train()
    assert next(runner.model.parameters()).device.type == stand_in.NAME
    assert [cost.waited for cost in costs[:2] + costs[3:5]] == [0] * 4  # each third one ends an epoch
    assert costs[4].waited == 0
    assert {place.split()[0] for place in costs[5].waits} == {"engine/runtime_info.py"}
