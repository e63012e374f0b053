import math

import pytest
import torch
from mmengine.dist import all_gather_object, get_rank
from mmengine.hooks import Hook
from torch import nn

from aemm.engine import read_checkpoint
from aemm.engine.statistics import SyncNorm, average_statistics, use_sync_norm
from tests.engine.small_runs import difference, small_runner, weights
from tests.processes import run_processes


def _average():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    model.register_buffer("fixed", torch.full((1,), 0.1 + get_rank()), persistent=False)
    generator = torch.Generator().manual_seed(get_rank())
    model[1].running_mean.copy_(torch.randn(4, generator=generator))
    own = model[1].running_mean.clone()
    average_statistics(model)
    once = weights_of(model)
    average_statistics(model)
    return own, once, weights_of(model), float(model.fixed)


def weights_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_running_statistics_become_their_mean_and_a_second_time_changes_no_bit():
    answers = run_processes(3, _average)
    mean = torch.stack([own.double() for own, *_ in answers]).mean(0).float()
    for rank, (_, once, twice, fixed) in enumerate(answers):
        assert torch.equal(once["1.running_mean"], mean)
        assert difference(once, twice) == 0
        assert fixed == pytest.approx(0.1 + rank)  # no statistic: it is in no checkpoint


def _save_again(tmp_path):
    runner = small_runner(tmp_path, "", "pytorch", train_cfg__max_epochs=1, default_hooks__checkpoint=None)
    runner.train()
    runner.save_checkpoint(str(tmp_path), "first.pth")
    if get_rank() == 0:
        runner.save_checkpoint(str(tmp_path), "second.pth")
    return weights(runner)


def test_the_process_that_saves_may_do_so_again_by_itself(tmp_path):
    one, two = run_processes(2, _save_again, tmp_path)
    assert difference(one, two) == 0
    for name in ("first.pth", "second.pth"):
        assert difference(read_checkpoint(str(tmp_path / name))["state_dict"], one) == 0


class _Scores(Hook):
    """Scores of the instances of each image, as validation and testing see them."""

    def __init__(self):
        self.found = {}

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.found |= {one.image_id: one.scores.tolist() for one in outputs}

    after_test_iter = after_val_iter


MEASURED = dict(default_hooks__checkpoint__interval=1)
SHORT = dict(train_cfg__max_epochs=1, train_dataloader__batch_size=2)


def _validate(tmp_path, extra, shared):
    # saving shares them, too
    hooks = MEASURED if shared else dict(default_hooks__shared_statistics=None, default_hooks__checkpoint=None)
    runner = small_runner(tmp_path, extra, "pytorch", validate=True, **SHORT, **hooks)
    scores = _Scores()
    runner.register_hook(scores)
    runner.train()
    everything = {}
    for part in all_gather_object(scores.found):
        everything |= part
    return everything


def _test(tmp_path, extra):
    runner = small_runner(tmp_path, extra, load_from=str(tmp_path / "run" / "epoch_1.pth"))
    scores = _Scores()
    runner.register_hook(scores)
    runner.test()
    return scores.found


def _largest(one, two):
    assert one.keys() == two.keys()
    assert len(one) == 7
    if any(len(one[key]) != len(two[key]) for key in one):
        return math.inf
    return max((abs(a - b) for key in one for a, b in zip(one[key], two[key], strict=True)), default=0.0)


EMA = '\ncustom_hooks = [dict(type="EMAHook", momentum=0.3{})]\n'


@pytest.mark.parametrize(
    ("count", "extra"),
    [(2, ""), (3, ""), (2, EMA.format("")), (2, EMA.format(", update_buffers=True")), (2, '\nsync_bn = "torch"\n')],
    ids=["two", "three", "ema", "ema of buffers", "sync_bn"],
)
def test_what_validation_measures_is_what_the_checkpoint_holds(tmp_path, count, extra):
    measured = run_processes(count, _validate, tmp_path, extra, True)
    saved = _test(tmp_path, "" if "EMA" in extra else extra)
    assert sum(map(len, saved.values())) > 10
    for found in measured:
        assert _largest(found, saved) < 1e-4


def test_without_sharing_it_is_not(tmp_path):
    shared = run_processes(2, _validate, tmp_path, "", True)
    apart = run_processes(2, _validate, tmp_path, "", False)
    assert _largest(apart[0], shared[0]) > 1e-3


def _norm(images, momentum, cls):
    rank, world = (get_rank(), 2) if cls is SyncNorm else (0, 1)
    norm = nn.BatchNorm2d(3, momentum=momentum)
    norm.weight.data.copy_(torch.tensor([1.0, 2.0, 0.5]))
    norm = use_sync_norm(norm) if cls is SyncNorm else norm
    assert type(norm) is cls
    own = images[rank::world].clone().requires_grad_()
    found = norm(own)
    (found.sin().sum() / len(images)).backward()
    norm.eval()
    return found.detach(), own.grad, norm.weight.grad, weights_of(norm), norm(own).detach()


@pytest.mark.parametrize("momentum", [0.1, None])
def test_synchronised_norm_on_the_cpu_is_batch_norm_of_all_images(momentum):
    images = torch.randn(6, 3, 5, 4, generator=torch.Generator().manual_seed(0)) * 3 + 50
    whole = _norm(images, momentum, nn.BatchNorm2d)
    parts = run_processes(2, _norm, images, momentum, SyncNorm)
    for rank, (found, gradient, _, state, measured) in enumerate(parts):
        torch.testing.assert_close(found, whole[0][rank::2], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(gradient, whole[1][rank::2], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(measured, whole[4][rank::2], atol=1e-4, rtol=1e-4)
        assert difference(state, whole[3]) < 1e-4
    torch.testing.assert_close(parts[0][2] + parts[1][2], whole[2], atol=1e-4, rtol=1e-4)


def _trained(tmp_path, launcher, sync_bn, batch_size):
    extra = f"\nsync_bn = {sync_bn!r}\n"
    runner = small_runner(tmp_path, extra, launcher, train_dataloader__batch_size=batch_size)
    runner.train()
    return weights(runner)


def test_with_sync_bn_two_processes_learn_what_one_learns(tmp_path):
    one = _trained(tmp_path / "one", "none", None, 4)
    synchronised = run_processes(2, _trained, tmp_path / "synchronised", "pytorch", "torch", 2)[0]
    apart = run_processes(2, _trained, tmp_path / "apart", "pytorch", None, 2)[0]
    learned = [name for name in one if "num_batches" not in name]
    assert difference({n: one[n] for n in learned}, {n: synchronised[n] for n in learned}) < 2e-3
    assert difference({n: one[n] for n in learned}, {n: apart[n] for n in learned}) > 2e-2
