import pytest
from mmengine import Config

from aemm.engine.batch_size import fit_batch
from aemm.engine.config_check import ConfigError


def _config(batch=4, stated=32, **changes):
    """A recipe of 32 images a step whose rate drops after 200,000 of them."""
    settings = dict(
        train_dataloader=dict(batch_size=batch),
        optim_wrapper=dict(optimizer=dict(type="Adam", lr=2e-4)),
        param_scheduler=[
            dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=500),
            dict(type="MultiStepLR", milestones=[200_000], gamma=0.05, by_epoch=False),
            dict(type="CosineAnnealingLR", T_max=140, eta_min=1e-6, by_epoch=True),
        ],
        train_cfg=dict(type="EpochBasedTrainLoop", max_epochs=140, val_interval=5),
        auto_scale_lr=dict(base_batch_size=stated),
    )
    return Config(settings | changes)


def test_the_recipes_batch_trains_as_it_stands():
    cfg, before = _config(), _config()
    assert fit_batch(cfg, 8) == "global batch 32 (8 processes x 4 images), as the recipe states"
    assert cfg.to_dict() == before.to_dict()


def test_another_batch_is_refused_with_three_ways_on():
    with pytest.raises(ConfigError) as caught:
        fit_batch(_config(), 1)
    message = str(caught.value)
    assert "belong to a batch of 32 images, but 1 process x train_dataloader.batch_size=4 make 4" in message
    assert "--auto-batch  adds up gradients" in message
    assert "--scale-lr    trains 4 images at a time with 0.125 of the rate and 8 times the iterations" in message
    assert "train_dataloader.batch_size=32, if it fits" in message


@pytest.mark.parametrize("processes", [1, 2, 8])
def test_auto_batch_adds_up_gradients_and_counts_steps_not_iterations(processes):
    cfg = _config(batch=2)
    fit_batch(cfg, processes, auto_batch=True)
    times = 16 // processes
    assert cfg.optim_wrapper.accumulative_counts == times
    assert cfg.optim_wrapper.optimizer.lr == 2e-4
    assert cfg.param_scheduler[0].end == 500 * times
    assert cfg.param_scheduler[1].milestones == [200_000 * times]
    assert cfg.param_scheduler[2].T_max == 140  # epochs
    assert cfg.train_cfg.max_epochs == 140


def test_gradients_added_up_by_hand_count_as_well():
    cfg = _config(optim_wrapper=dict(optimizer=dict(type="Adam", lr=2e-4), accumulative_counts=4))
    assert fit_batch(cfg, 2).startswith("global batch 32 (2 processes x 4 images x 4 iterations a step)")
    assert cfg.param_scheduler[1].milestones == [800_000]


def test_scale_lr_trains_more_and_smaller_steps():
    cfg = _config()
    assert "scaled from the recipe's 32" in fit_batch(cfg, 1, scale_lr=True)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(2e-4 / 8)
    assert cfg.param_scheduler[2].eta_min == pytest.approx(1e-6 / 8)
    assert cfg.param_scheduler[0].end == 4000
    assert cfg.param_scheduler[1].milestones == [1_600_000]
    assert "accumulative_counts" not in cfg.optim_wrapper


def test_mmengines_own_switch_means_the_same_and_acts_once():
    cfg, flagged = _config(auto_scale_lr=dict(base_batch_size=32, enable=True)), _config()
    fit_batch(cfg, 16)
    fit_batch(flagged, 16, scale_lr=True)
    assert cfg.optim_wrapper == flagged.optim_wrapper
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(4e-4)
    assert cfg.param_scheduler[1].milestones == [100_000]
    assert not cfg.auto_scale_lr.enable


def test_loops_and_hooks_that_count_iterations_are_stretched():
    cfg = _config(
        train_cfg=dict(
            type="IterBasedTrainLoop", max_iters=1000, val_interval=100, val_begin=1, dynamic_intervals=[(900, 50)]
        ),
        default_hooks=dict(checkpoint=dict(type="SafeCheckpointHook", by_epoch=False, interval=100), logger=None),
        param_scheduler=dict(type="ExponentialLR", gamma=0.81, by_epoch=False),
    )
    fit_batch(cfg, 4, auto_batch=True)
    assert (cfg.train_cfg.max_iters, cfg.train_cfg.val_interval, cfg.train_cfg.val_begin) == (2000, 200, 2)
    assert [tuple(pair) for pair in cfg.train_cfg.dynamic_intervals] == [(1800, 100)]
    assert cfg.default_hooks.checkpoint.interval == 200
    assert cfg.param_scheduler.gamma == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("processes", "batch", "remedy"),
    [
        (1, 5, r"batch_size to one of \[1, 2, 4, 8, 16, 32\]"),
        (3, 4, "a number of processes that divides 32"),
        (64, 1, "at most 32 processes"),
        (1, 64, r"one of \[1, 2, 4, 8, 16, 32\]"),
    ],
)
def test_a_batch_that_cannot_be_made_up_is_refused(processes, batch, remedy):
    with pytest.raises(ConfigError, match=remedy):
        fit_batch(_config(batch=batch), processes, auto_batch=True)


def test_both_switches_contradict_each_other():
    with pytest.raises(ConfigError, match="choose one"):
        fit_batch(_config(), 1, auto_batch=True, scale_lr=True)


@pytest.mark.parametrize("missing", ["auto_scale_lr", "train_dataloader"])
def test_a_config_without_a_stated_batch_trains_as_it_is(missing):
    cfg = _config(**{missing: {}})
    assert fit_batch(cfg, 1) is None
    with pytest.raises(ConfigError, match=r"need (auto_scale_lr\.base_|train_dataloader\.)batch_size"):
        fit_batch(cfg, 1, auto_batch=True)


def test_a_rate_that_is_not_given_cannot_be_scaled():
    with pytest.raises(ConfigError, match=r"optim_wrapper\.optimizer\.lr"):
        fit_batch(_config(optim_wrapper=dict(pose=dict(lr=1))), 1, scale_lr=True)
