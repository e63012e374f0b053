"""Early stopping as one word."""

import pytest

from aemm.engine import ConfigError, StopEarlyHook, load_config
from tests.end_to_end import write_config
from tests.engine.small_runs import small_runner


def test_one_word_watches_what_the_best_checkpoint_is_chosen_by(tmp_path):
    runner = small_runner(tmp_path, early_stopping=3, validate=True, default_hooks__checkpoint__save_best="coco/AP")
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, StopEarlyHook))
    assert (hook.monitor, hook.rule, hook.patience) == ("coco/AP", "greater", 3)


def test_training_ends_after_so_many_validations_in_vain(tmp_path):
    frozen = dict(
        early_stopping=2, train_cfg__max_epochs=9, train_dataloader__dataset__length=4, optim_wrapper__optimizer__lr=0.0
    )
    runner = small_runner(tmp_path, validate=True, default_hooks__checkpoint__save_best="coco/AP", **frozen)
    runner.train()
    assert runner.epoch == 3  # the first is the best there is, two do not gain on it


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"early_stopping": 0}, "whole number of validations from 1, got 0"),
        ({"early_stopping": True}, "whole number of validations from 1, got True"),
        ({"early_stopping": "coco/AP"}, "got 'coco/AP'"),
        ({"early_stopping": 2, "default_hooks.checkpoint.save_best": None}, "save_best is None"),
        ({"early_stopping": 2, "default_hooks.checkpoint.save_best": "auto"}, "save_best is 'auto'"),
        ({"early_stopping": 2, "val_cfg": None, "val_dataloader": None, "val_evaluator": None}, "no validation"),
    ],
)
def test_what_cannot_stop_a_training_is_refused(tmp_path, options, said):
    with pytest.raises(ConfigError, match=said):
        load_config(str(write_config(tmp_path)), options)


def test_scores_that_stay_the_same_are_no_gain_and_any_gain_counts():
    hook = StopEarlyHook("coco/AP", patience=2)
    assert [hook._check_stop_condition(score)[0] for score in (0.0, 0.0, 0.01, 0.02, 0.02, 0.02)] == [
        *(False, False, False, False, False),
        True,
    ]
