import math

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.hooks import RuntimeInfoHook as PlainHook

from aemm.engine import RuntimeInfoHook
from aemm.engine.runtime_info import ScalarRows
from tests.engine.small_runs import small_runner
from tests.processes import run_processes


class _Watch(Hook):
    """What the model returned in every iteration, and how much of it the message hub knew at once."""

    priority = "LOWEST"

    def __init__(self):
        self.outputs, self.known = [], []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.outputs.append({name: float(value.detach()) for name, value in outputs.items()})
        scalars = runner.message_hub.log_scalars
        self.known.append(len(scalars["train/loss"].data[0]) if "train/loss" in scalars else 0)


def _train(tmp_path, launcher="none", **options):
    runner = small_runner(tmp_path, "", launcher, **options)
    watch = _Watch()
    runner.register_hook(watch)
    runner.train()
    scalars = {name: buffer.data[0].tolist() for name, buffer in runner.message_hub.log_scalars.items()}
    return watch, scalars, runner


def test_the_log_has_every_number_of_the_model_though_fetched_together(tmp_path):
    watch, scalars, runner = _train(tmp_path, default_hooks__logger__interval=2)
    assert isinstance(next(h for h in runner.hooks if isinstance(h, PlainHook)), RuntimeInfoHook)
    for name in ("loss", "loss_heatmap", "loss_pull", "loss_push", "tag_spread"):
        assert scalars[f"train/{name}"] == [output[name] for output in watch.outputs], name
    assert len(scalars["train/grad_norm"]) == 6
    assert watch.known == [0, 2, 3, 3, 5, 6]


def test_asked_for_at_every_iteration_it_is_there(tmp_path):
    extra = '\ndefault_hooks["runtime_info"] = dict(type="RuntimeInfoHook", interval=1)\n'
    runner = small_runner(tmp_path, extra, default_hooks__logger__interval=50)
    watch = _Watch()
    runner.register_hook(watch)
    runner.train()
    assert watch.known == [1, 2, 3, 4, 5, 6]


def _losses(tmp_path):
    watch, scalars, _ = _train(tmp_path, "pytorch", default_hooks__logger__interval=2)
    return watch.outputs, scalars


def test_logged_losses_are_means_over_all_processes(tmp_path):
    (one, logged), (two, same) = run_processes(2, _losses, tmp_path)
    assert [row["loss"] for row in one] != [row["loss"] for row in two]
    for name in ("loss", "loss_heatmap", "loss_pull", "loss_push"):
        means = [(a[name] + b[name]) / 2 for a, b in zip(one, two, strict=True)]
        assert logged[f"train/{name}"] == pytest.approx(means, rel=1e-6)
        assert same[f"train/{name}"] == logged[f"train/{name}"]


def _rows():
    rank = torch.distributed.get_rank()
    rows = ScalarRows()
    rows.add({"loss": torch.tensor(1.0 + rank), "tag_spread": torch.tensor(math.nan if rank else 3.0)})
    rows.add({"loss": torch.tensor(math.nan if rank else 1.0), "tag_spread": torch.tensor(math.nan)})
    rows.add({"loss": 2.0, **({"own": 7} if rank else {})})
    first = rows.take()
    rows.add({"own": torch.tensor(4.0)} if rank == 0 else {"loss": torch.tensor(5.0)})
    return first, rows.take(), rows.take()


def test_scalars_that_only_some_have_are_means_over_those():
    for first, second, nothing in run_processes(2, _rows):
        assert first[0] == {"loss": 1.5, "tag_spread": 3.0}
        assert math.isnan(first[1]["loss"])  # a loss that is NaN anywhere stays NaN
        assert "tag_spread" not in first[1]
        assert first[2] == {"loss": 2.0, "own": 7.0}
        assert second == [{"own": 4.0, "loss": 5.0}]
        assert nothing == []


def test_an_interval_of_nothing_is_refused():
    with pytest.raises(ValueError, match="interval must be 1 or more"):
        RuntimeInfoHook(interval=0)
