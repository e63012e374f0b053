import math

import pytest
import torch
from torch import nn

from aemm.engine import AmpOptimWrapper, NonFiniteError, OptimWrapper, use_mixed_precision
from aemm.engine.finite import StepWatch
from aemm.engine.mixed_precision import _SMALLEST_SCALE
from tests.engine.small_runs import difference, small_runner, weights


class _Steep(torch.autograd.Function):
    """x, with gradients a factor too large."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.factor, None


def _wrapper(watch=None, kind=AmpOptimWrapper, **settings):
    parameter = nn.Parameter(torch.tensor([1.0, 2.0]))
    wrapper = kind(torch.optim.SGD([parameter], lr=0.1), **settings)
    wrapper.watch = watch
    return parameter, wrapper


def _seen(runner):
    """Types of what a convolution gives and what the losses get."""
    seen = {}
    convolution = next(m for m in runner.model.modules() if isinstance(m, nn.Conv2d))
    convolution.register_forward_hook(lambda module, inputs, output: seen.update(network=output.dtype))
    runner.model.head.heatmap_loss.register_forward_pre_hook(lambda module, inputs: seen.update(loss=inputs[0].dtype))
    return seen


@pytest.fixture(scope="module")
def in_full(tmp_path_factory):
    """Weights after training in fp32."""
    runner = small_runner(tmp_path_factory.mktemp("fp32"))
    runner.train()
    return weights(runner)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_network_runs_in_half_and_losses_and_weights_in_full_precision(tmp_path, in_full, dtype):
    runner = small_runner(tmp_path, optim_wrapper__type="AmpOptimWrapper", optim_wrapper__dtype=dtype)
    seen = _seen(runner)
    runner.train()
    assert seen == dict(network=getattr(torch, dtype), loss=torch.float32)
    assert isinstance(runner.optim_wrapper, AmpOptimWrapper)
    assert all(value.dtype == torch.float32 for value in runner.model.parameters())
    assert 1e-4 < difference(weights(runner), in_full) < 0.5


def test_the_type_follows_the_device_by_default():
    _, wrapper = _wrapper()
    assert wrapper.dtype == (torch.float16 if torch.cuda.is_available() else torch.bfloat16)


def test_steps_that_the_loss_scaler_leaves_out_are_no_fault(tmp_path):
    scale = dict(init_scale=2.0**120)
    options = dict(optim_wrapper__dtype="float16", optim_wrapper__loss_scale=scale)
    runner = small_runner(tmp_path, optim_wrapper__type="AmpOptimWrapper", **options)
    before = weights(runner)
    runner.train()
    learned = {name: value for name, value in weights(runner).items() if name.endswith("weight") and "conv" in name}
    assert difference(learned, {name: before[name] for name in learned}) == 0  # scale is still too large
    assert runner.optim_wrapper.scaler.get_scale() == 2.0**114
    assert "train/grad_norm" not in runner.message_hub.log_scalars


def test_a_loss_that_is_not_finite_is_a_fault_under_a_loss_scaler_too(tmp_path):
    options = dict(optim_wrapper__dtype="float16")
    runner = small_runner(tmp_path, optim_wrapper__type="AmpOptimWrapper", **options)
    runner.model.head.heatmap_loss.weight = math.inf
    with pytest.raises(NonFiniteError, match="iteration 1"):
        runner.train()


@pytest.mark.parametrize(
    ("scale", "factor", "fault"),
    [("dynamic", 1e38, False), (dict(init_scale=_SMALLEST_SCALE), math.inf, True), (8.0, math.inf, True)],
)
def test_gradients_that_overflow_at_the_smallest_or_a_fixed_scale_are_a_fault(scale, factor, fault):
    watch = StepWatch(1)
    parameter, wrapper = _wrapper(watch, dtype="float16", loss_scale=scale)
    wrapper.update_params(_Steep.apply(parameter, factor).sum())
    assert bool(watch.faults) == fault
    assert parameter.tolist() == [1.0, 2.0]
    wrapper.update_params(parameter.sum())  # the scaler is ready for the next step
    assert parameter.tolist() == pytest.approx([0.9, 1.9])


def test_gradients_are_clipped_without_their_scale_and_measured_before():
    for kind, settings in ((OptimWrapper, {}), (AmpOptimWrapper, dict(dtype="float16", loss_scale=1024.0))):
        parameter, wrapper = _wrapper(kind=kind, clip_grad=dict(max_norm=0.5), **settings)
        wrapper.update_params((parameter * torch.tensor([3.0, 4.0])).sum())
        assert float(wrapper.grad_norm) == pytest.approx(5.0)
        assert parameter.tolist() == pytest.approx([1 - 0.03, 2 - 0.04], rel=1e-4)


def test_values_are_clipped_where_asked_for():
    parameter, wrapper = _wrapper(kind=OptimWrapper, clip_grad=dict(type="value", clip_value=1.0))
    wrapper.update_params((parameter * torch.tensor([3.0, 0.5])).sum())
    assert float(wrapper.grad_norm) == pytest.approx(9.25**0.5)
    assert parameter.tolist() == pytest.approx([0.9, 1.95])


def test_the_loss_scale_is_resumed_and_a_checkpoint_without_one_taken():
    _, wrapper = _wrapper(dtype="float16", loss_scale=dict(init_scale=512.0))
    state = wrapper.state_dict()
    _, other = _wrapper(dtype="float16")
    other.load_state_dict(state)
    assert other.scaler.get_scale() == 512.0
    _, plain = _wrapper(kind=OptimWrapper)
    other.load_state_dict(plain.state_dict())
    assert other.scaler.get_scale() == 512.0
    _, bfloat = _wrapper(dtype="bfloat16")
    assert "loss_scaler" not in bfloat.state_dict()
    bfloat.load_state_dict(state)


@pytest.mark.parametrize(
    "settings",
    [dict(dtype="float8"), dict(dtype="bfloat16", loss_scale=2.0), dict(dtype="float16", loss_scale="static")],
)
def test_types_and_scales_that_do_not_exist_are_refused(settings):
    with pytest.raises(ValueError, match=r"optim_wrapper\.(dtype|loss_scale)"):
        _wrapper(**settings)


def test_amp_on_the_command_line_takes_the_place_of_the_plain_wrapper_alone(tmp_path):
    cfg = small_runner(tmp_path).cfg
    use_mixed_precision(cfg, "bfloat16")
    assert cfg.optim_wrapper.type == "AmpOptimWrapper"
    assert cfg.optim_wrapper.dtype == "bfloat16"
    cfg.optim_wrapper.type = "ApexOptimWrapper"
    with pytest.raises(ValueError, match="ApexOptimWrapper"):
        use_mixed_precision(cfg)
