import itertools
import time

import pytest
import torch
from mmengine.config import Config
from torch import nn

from aemm.engine import ConfigError, check_finite
from aemm.engine.switches import check_switches, join_processes
from tests.end_to_end import ROOT, run_tool, write_config
from tests.engine.small_runs import difference, small_runner, weights
from tests.processes import free_port, run_processes

ON_CPU = pytest.mark.skipif(torch.cuda.is_available(), reason="only where there is no GPU")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Weights after training without any switch."""
    runner = small_runner(tmp_path_factory.mktemp("plain"), train_cfg__max_epochs=1)
    runner.train()
    return weights(runner)


def _train(folder, **options):
    runner = small_runner(folder, train_cfg__max_epochs=1, **options)
    runner.train()
    return runner


def test_gradients_are_gathered(tmp_path, plain):
    runner = small_runner(tmp_path, train_cfg__max_epochs=1, optim_wrapper__accumulative_counts=3)
    optimizer_steps = []
    runner.call_hook("before_run")
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.optim_wrapper.optimizer.register_step_post_hook(lambda *_: optimizer_steps.append(runner.iter))
    runner.train()
    assert optimizer_steps == [2]
    assert difference(weights(runner), plain) > 1e-3


def test_gathered_batches_make_the_step_of_one_large_batch(tmp_path):
    sgd = dict(optim_wrapper__optimizer=dict(_delete_=True, type="SGD", lr=0.01), model__backbone__norm_cfg=None)
    small = _train(tmp_path / "small", train_dataloader__batch_size=4, optim_wrapper__accumulative_counts=3, **sgd)
    large = _train(tmp_path / "large", train_dataloader__batch_size=12, **sgd)
    assert difference(weights(small), weights(large)) < 1e-6


def test_a_moving_average_is_kept_beside_the_weights_and_saved_in_their_place(tmp_path, plain):
    hooks = [dict(type="EMAHook", momentum=0.3)]
    options = dict(custom_hooks=hooks, default_hooks__checkpoint__interval=1)
    runner = _train(tmp_path, **options)
    assert difference(weights(runner), plain) == 0
    saved = torch.load(tmp_path / "run" / "epoch_1.pth", weights_only=True)
    assert difference(saved["state_dict"], plain) > 1e-3


def test_the_network_is_compiled_for_training_alone(tmp_path, plain, monkeypatch):
    calls = []

    def backend(graph, inputs):
        def run(*arguments):
            calls.append(torch.is_grad_enabled())
            return graph(*arguments)

        return run

    torch.compiler.reset()
    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **options: compiler(function, backend=backend))
    runner = small_runner(tmp_path, train_cfg__max_epochs=1, compile=dict(backend="eager"), validate=True)
    runner.train()
    assert len(calls) >= 6  # backbone and head in each of three iterations
    assert all(calls)
    assert difference(weights(runner), plain) < 1e-5


def test_images_lie_channels_last_and_so_does_what_the_network_makes_of_them(tmp_path, plain):
    options = {"model__data_preprocessor": dict(type="Preprocessor", channels_last=True)}
    runner = small_runner(tmp_path, train_cfg__max_epochs=1, **options)
    formats = set()
    for convolution in (m for m in runner.model.backbone.modules() if isinstance(m, nn.Conv2d)):
        convolution.register_forward_hook(
            lambda module, inputs, output: formats.add(output.is_contiguous(memory_format=torch.channels_last))
        )
    runner.train()
    assert formats == {True}
    assert difference(weights(runner), plain) < 1e-2


@pytest.mark.parametrize(("with_cp", "runs"), [(False, 3), (True, 6)])
def test_the_network_is_run_again_for_its_gradients(tmp_path, plain, with_cp, runs):
    runner = small_runner(tmp_path, train_cfg__max_epochs=1, model__backbone__with_cp=with_cp)
    calls = []
    hourglass = runner.model.backbone.features[0]
    inner = next(m for m in hourglass.modules() if isinstance(m, nn.Conv2d))
    inner.register_forward_hook(lambda *_: calls.append(1))
    runner.train()
    assert len(calls) == runs
    assert difference(weights(runner), plain) == 0


TOGETHER = dict(
    optim_wrapper__accumulative_counts=2,
    optim_wrapper__clip_grad=dict(max_norm=1.0),
    custom_hooks=[dict(type="EMAHook", momentum=0.3)],
    model__backbone__with_cp=True,
    model__data_preprocessor=dict(type="Preprocessor", channels_last=True),
    default_hooks__finite__skip=2,
    default_hooks__checkpoint__interval=1,
    compile=dict(backend="eager"),
)


def _together(folder, dtype, launcher="none", **options):
    amp = {} if dtype is None else dict(optim_wrapper__type="AmpOptimWrapper", optim_wrapper__dtype=dtype)
    runner = small_runner(folder, "", launcher, train_cfg__max_epochs=1, **TOGETHER, **amp, **options)
    runner.train()
    check_finite(runner.model)
    return weights(runner)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_all_switches_work_together(tmp_path, plain, dtype):
    assert difference(_together(tmp_path, dtype), plain) > 1e-3


def test_all_switches_work_together_in_two_processes(tmp_path):
    arguments = (tmp_path, "bfloat16", "pytorch")
    one, two = run_processes(2, _together_synchronised, *arguments)
    assert difference(one, two) == 0


def _together_synchronised(folder, dtype, launcher):
    return _together(folder, dtype, launcher, sync_bn="torch")


REFUSED = [
    (dict(strategy=dict(type="FSDPStrategy")), "strategy="),
    (dict(runner_type="FlexibleRunner"), "runner_type="),
    (dict(model_wrapper_cfg=dict(type="MMFullyShardedDataParallel")), "only MMDistributedDataParallel"),
    (dict(sync_bn="mmcv"), "sync_bn must be 'torch'"),
    (dict(env_cfg=dict(dist_cfg=dict(timeout="10 s"))), "timeout must be a positive number"),
    (dict(env_cfg=dict(dist_cfg=dict(timeout=0))), "timeout must be a positive number"),
    (dict(optim_wrapper=dict(accumulative_counts=0)), "accumulative_counts must be 1 or more"),
    (dict(optim_wrapper=dict(accumulative_counts=1.5)), "accumulative_counts must be 1 or more"),
    (dict(auto_scale_lr=dict(enable=True, base_batch_size=8)), "fit_batch"),
    (dict(compile="yes"), "compile must be True or options"),
    (dict(compile=dict(backend="inducter")), "compile.backend must be one of"),
]


@pytest.mark.parametrize(("settings", "words"), REFUSED)
def test_switches_that_cannot_do_what_they_say_are_refused_before_anything_is_built(settings, words):
    with pytest.raises(ConfigError, match=words):
        check_switches(Config(settings))


def test_all_faults_are_listed_at_once():
    with pytest.raises(ConfigError) as caught:
        check_switches(Config(dict(sync_bn="mmcv", compile="yes", auto_scale_lr=dict(enable=True))))
    assert str(caught.value).count("\n  - ") == 3


@ON_CPU
def test_slurm_without_gpus_and_a_compiler_that_is_not_there_are_refused(monkeypatch):
    with pytest.raises(ConfigError, match="needs GPUs"):
        check_switches(Config(), "slurm")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler"):
        check_switches(Config(dict(compile=True)))
    check_switches(Config(dict(compile=dict(backend="eager"))))


def test_what_can_work_is_let_through():
    for settings in ({}, dict(sync_bn="torch"), dict(compile=False), dict(auto_scale_lr=dict(base_batch_size=8))):
        check_switches(Config(settings), "pytorch")


@ON_CPU
def test_on_a_cpu_the_wrapper_keeps_what_the_config_says_of_it():
    def completed(**settings):
        cfg = Config(settings)
        join_processes(cfg, "pytorch")
        return cfg.model_wrapper_cfg.to_dict()

    (found, own) = run_processes(
        1,
        lambda: (
            completed(find_unused_parameters=True),
            completed(model_wrapper_cfg=dict(type="MMDistributedDataParallel", detect_anomalous_params=True)),
        ),
    )[0]
    assert found["find_unused_parameters"] is True
    assert found["device_ids"] is None
    assert own["detect_anomalous_params"] is True
    cfg = Config()
    join_processes(cfg, "none")
    assert "model_wrapper_cfg" not in cfg


def _wait_for_a_stalled_process():
    join_processes(Config(dict(env_cfg=dict(dist_cfg=dict(timeout=3)))), "pytorch")
    torch.distributed.barrier()
    began = time.monotonic()
    if torch.distributed.get_rank() == 1:
        time.sleep(15)
        return None
    with pytest.raises(RuntimeError):
        torch.distributed.all_reduce(torch.ones(1))
    return time.monotonic() - began


@ON_CPU
def test_a_process_does_not_wait_for_a_stalled_one_beyond_the_timeout():
    waited, _ = run_processes(2, _wait_for_a_stalled_process, join=False)
    assert 2 < waited < 12


STALL = """
import time

from mmengine.hooks import Hook

from aemm.registry import HOOKS


@HOOKS.register_module()
class StallHook(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.rank == 1 and runner.iter == 1:
            time.sleep(3600)
"""


@ON_CPU
@pytest.mark.slow
def test_a_stalled_process_ends_the_job(tmp_path):
    (tmp_path / "stall.py").write_text(STALL)
    lines = ['custom_imports = dict(imports=["stall"])', 'custom_hooks = [dict(type="StallHook")]']
    config = write_config(tmp_path, "\n".join(["", *lines, "env_cfg = dict(dist_cfg=dict(timeout=5))", ""]))
    command = ("tools/dist_train.sh", config, "2", "--work-dir", tmp_path / "run")
    began = time.monotonic()
    ended = run_tool(*command, PORT=str(free_port()), PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert ended.returncode != 0
    assert "Epoch(train) [1][1/1]" in ended.stdout + ended.stderr
    assert time.monotonic() - began < 120


@pytest.mark.slow
@pytest.mark.parametrize("pair", list(itertools.combinations([*TOGETHER, "optim_wrapper__type"], 2)), ids="+".join)
def test_any_two_switches_work_together(tmp_path, pair):
    choices = TOGETHER | dict(optim_wrapper__type="AmpOptimWrapper")
    check_finite(_train(tmp_path, **{name: choices[name] for name in pair}).model)
