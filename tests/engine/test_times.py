"""Where time goes: steps within steps, samples, and iterations of a training."""

import time

import pytest

from aemm.engine import ConfigError, load_config
from aemm.engine.times import Times
from aemm.engine.training_times import WAIT, measure_loading, measure_training
from tests.end_to_end import write_config


def test_a_step_counts_what_the_steps_within_it_leave():
    times = Times()
    for pause in (0.03, 0.01, 0.02):
        times.begin_round()
        with times.of("outer"):
            with times.of("inner"):
                time.sleep(pause)
            with times.of("inner"):
                time.sleep(pause)
    found = times.medians()
    assert list(found) == ["inner", "outer"]
    assert 0.04 <= found["inner"] < 0.2
    assert found["outer"] < 0.02


def test_a_step_that_fails_is_counted_and_its_error_goes_on():
    times = Times()
    times.begin_round()

    def fail():
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        times.timed(fail, "read")()
    assert list(times.medians()) == ["read"]


def test_samples_are_measured_by_transform(tmp_path):
    loading = measure_loading(load_config(str(write_config(tmp_path))), 2)
    assert list(loading.steps) == ["read", "PoseTargets", "collate"]
    assert (loading.batch_size, loading.workers) == (4, 0)
    assert all(seconds > 0 for seconds in loading.steps.values())


@pytest.mark.parametrize("loop", ["", 'train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters=2)\n'])
def test_iterations_are_measured_by_step_beyond_the_end_of_an_epoch(tmp_path, monkeypatch, loop):
    monkeypatch.chdir(tmp_path)
    steps = measure_training(load_config(str(write_config(tmp_path / "config", loop))), 4)
    assert {WAIT, "to the device", "forward", "losses", "backward", "optimizer", "rest"} <= set(steps)
    assert {"hook LoggerHook", "hook FiniteHook"} <= set(steps)
    assert steps["backward"] > steps["hook FiniteHook"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["config"]  # nothing is kept


def test_a_config_that_trains_nothing_is_refused(tmp_path):
    cfg = load_config(str(write_config(tmp_path)))
    cfg.train_dataloader = None
    with pytest.raises(ConfigError, match="lacks train_dataloader"):
        measure_loading(cfg, 1)
    with pytest.raises(ConfigError, match="lacks train_dataloader"):
        measure_training(cfg, 1)
