import math

import pytest
import torch
from mmengine.hooks import Hook

from aemm.engine import FiniteHook, NonFiniteError, check_finite, read_checkpoint
from aemm.engine.finite import non_finite
from aemm.engine.replay import replay
from tests.engine.small_runs import difference, small_runner, weights
from tests.processes import run_processes


class _Spoil(Hook):
    """Put NaN into an image of the batches of some iterations, on one process."""

    priority = "VERY_LOW"  # when the batch is already kept

    def __init__(self, iterations, rank=None, value=math.nan):
        self.iterations, self.rank, self.value = iterations, rank, value

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter in self.iterations and self.rank in (None, runner.rank):
            data_batch.images[0] = data_batch.images[0].float()
            data_batch.images[0][0, 0, 5, 5] = self.value


class _Record(Hook):
    """Weights and norms after every iteration."""

    def __init__(self):
        self.weights, self.norms = [], []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.weights.append(weights(runner))
        norm = runner.optim_wrapper.grad_norm
        self.norms.append(None if norm is None else float(norm))


def _run(tmp_path, iterations, rank=None, launcher="none", extra="", **options):
    runner = small_runner(tmp_path, extra, launcher, **options)
    record = _Record()
    runner.register_hook(_Spoil(iterations, rank))
    runner.register_hook(record)
    return runner, record


def _dumps(tmp_path):
    return sorted(path.name for path in (tmp_path / "run").glob("non_finite*"))


def test_training_stops_at_the_first_step_that_is_not_finite_and_does_not_take_it(tmp_path):
    runner, record = _run(tmp_path, [2])
    with pytest.raises(NonFiniteError) as caught:
        runner.train()
    message = str(caught.value)
    assert "stopped at iteration 3:" in message
    assert "default_hooks.finite.skip" in message
    assert len(record.weights) == 2
    assert difference(weights(runner), record.weights[-1]) == 0
    assert _dumps(tmp_path) == ["non_finite_iter_3.pth"]
    assert "non_finite_iter_3.pth" in message
    kept = read_checkpoint(str(tmp_path / "run" / "non_finite_iter_3.pth"))
    ids = kept["batches"][0]["image_ids"]
    assert len(ids) == 4
    assert f"Images: {', '.join(map(str, ids))}." in message


def test_a_kept_step_fails_again_in_a_replay_and_names_the_first_layer(tmp_path):
    runner, _ = _run(tmp_path, [1])
    with pytest.raises(NonFiniteError):
        runner.train()
    path = str(tmp_path / "run" / "non_finite_iter_2.pth")
    again = replay(runner.cfg, path)
    assert not again.finite
    assert again.iteration == 1
    assert again.layer == "backbone.stem.0.conv"
    assert math.isnan(again.losses[0]["loss"])
    assert again.gradients
    kept = torch.load(path, weights_only=True)
    kept["batches"][0]["images"][0].nan_to_num_(0)
    torch.save(kept, path)
    mended = replay(runner.cfg, path)
    assert mended.finite
    assert mended.layer is None


def test_where_looking_is_rare_it_stops_late_but_before_saving(tmp_path):
    options = dict(default_hooks__finite__interval=10, default_hooks__checkpoint__interval=1)
    runner, _ = _run(tmp_path, [4], **options)
    with pytest.raises(NonFiniteError, match=r"stopped at iteration 5, seen 2 iterations later"):
        runner.train()
    assert [path.name for path in (tmp_path / "run").glob("*.pth")] != []
    saved = sorted(path.name for path in (tmp_path / "run").glob("epoch*"))
    assert saved == ["epoch_1.pth"]
    assert not non_finite(read_checkpoint(str(tmp_path / "run" / "epoch_1.pth"))["state_dict"])
    kept = read_checkpoint(str(tmp_path / "run" / "non_finite_iter_5.pth"))
    assert kept["batches"][0]["images"][0].isnan().any()
    assert kept["state_dict"] == {}
    with pytest.raises(ValueError, match="--checkpoint"):
        replay(runner.cfg, str(tmp_path / "run" / "non_finite_iter_5.pth"))
    again = replay(runner.cfg, str(tmp_path / "run" / "non_finite_iter_5.pth"), str(tmp_path / "run" / "epoch_1.pth"))
    assert not again.finite


def test_steps_may_be_left_out_and_are_counted(tmp_path, caplog):
    runner, record = _run(tmp_path, [1, 4], default_hooks__finite__skip=1)
    runner.train()
    assert runner.iter == 6
    assert runner.message_hub.get_info("skipped_steps") == 2
    assert difference(record.weights[0], record.weights[1]) == 0
    assert difference(record.weights[1], record.weights[2]) > 0
    check_finite(runner.model)
    assert math.isnan(record.norms[1])


def test_too_many_steps_in_a_row_stop_even_so(tmp_path):
    runner, _ = _run(tmp_path, [0, 2, 3, 4], default_hooks__finite__skip=2)
    with pytest.raises(NonFiniteError, match=r"iteration 5 after 2 steps in a row"):
        runner.train()
    check_finite(runner.model)


def test_gathered_batches_are_kept_and_left_out_together(tmp_path):
    runner, _ = _run(tmp_path, [2], optim_wrapper__accumulative_counts=2)
    with pytest.raises(NonFiniteError, match="iteration 4"):
        runner.train()
    kept = read_checkpoint(str(tmp_path / "run" / "non_finite_iter_4.pth"))
    assert [bool(batch["images"][0].isnan().any()) for batch in kept["batches"]] == [True, False]


def test_weights_that_are_not_finite_are_neither_saved_nor_tested(tmp_path):
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1))
    check_finite(model)
    model[1].running_var[0] = math.inf
    with pytest.raises(NonFiniteError, match=r"1 of 7 entries of the model .*: 1\.running_var"):
        check_finite(model)
    runner = small_runner(tmp_path)
    with torch.no_grad():
        next(runner.model.parameters()).view(-1)[0] = math.nan
    with pytest.raises(NonFiniteError, match=r"backbone\.stem"):
        runner.test()
    with pytest.raises(NonFiniteError, match="iteration 1"):
        runner.call_hook("before_save_checkpoint", checkpoint=dict(state_dict=runner.model.state_dict()))


@pytest.mark.parametrize("settings", [dict(skip=-1), dict(interval=0), dict(skip=2, interval=5)])
def test_settings_without_a_meaning_are_refused(settings):
    with pytest.raises(ValueError, match="skip"):
        FiniteHook(**settings)


def _two(tmp_path):
    runner, _ = _run(tmp_path, [1], rank=1, launcher="pytorch")
    with pytest.raises(NonFiniteError) as caught:
        runner.train()
    return str(caught.value), runner.iter, weights(runner)


def test_all_processes_stop_together_and_name_the_images_of_the_guilty_one(tmp_path):
    (one, first, kept), (two, second, same) = run_processes(2, _two, tmp_path)
    assert one == two
    assert first == second == 1
    learned = [name for name in kept if "running" not in name]  # each process has statistics of its own
    assert difference({n: kept[n] for n in learned}, {n: same[n] for n in learned}) == 0
    check_finite(kept)
    assert _dumps(tmp_path) == ["non_finite_iter_2_rank_0.pth", "non_finite_iter_2_rank_1.pth"]
    guilty = read_checkpoint(str(tmp_path / "run" / "non_finite_iter_2_rank_1.pth"))
    assert f"Images: {', '.join(map(str, guilty['batches'][0]['image_ids']))}." in one
