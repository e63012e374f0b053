from types import SimpleNamespace

import torch

from aemm.engine import TagCollapseHook


class _Runner:
    def __init__(self):
        self.iter, self.warnings = 0, []
        self.logger = SimpleNamespace(warning=self.warnings.append)

    def run(self, hook, spreads):
        for spread in spreads:
            outputs = {} if spread is None else {"tag_spread": torch.tensor(spread)}
            hook.after_train_iter(self, self.iter, outputs=outputs)
            self.iter += 1


def test_a_collapse_is_reported_with_what_to_do_and_not_every_iteration():
    runner = _Runner()
    runner.run(TagCollapseHook(after=10, every=50, momentum=0.9), [0.02] * 100)
    assert len(runner.warnings) == 2
    assert "tag_std" in runner.warnings[0]
    assert "0.020 apart" in runner.warnings[0]


def test_spread_tags_and_images_without_pairs_are_silent():
    runner = _Runner()
    runner.run(TagCollapseHook(after=10), [1.2, None] * 50)
    runner.run(TagCollapseHook(after=1000), [0.0] * 50)
    assert runner.warnings == []


def test_a_collapse_in_the_middle_of_training_is_seen():
    runner = _Runner()
    runner.run(TagCollapseHook(after=10, momentum=0.9), [1.0] * 50 + [0.01] * 60)
    assert len(runner.warnings) == 1


def test_steps_without_pairs_neither_raise_an_alarm_nor_hide_one_and_show_the_smoothed_value_in_the_log():
    nan = float("nan")
    runner = _Runner()
    runner.run(TagCollapseHook(after=10), [nan] * 50)
    assert runner.warnings == []
    runner.run(TagCollapseHook(after=10), [nan, 0.02, nan] * 30)
    assert len(runner.warnings) == 1
    hook, shown = TagCollapseHook(momentum=0.5), []
    for spread in (nan, 1.0, nan, 2.0, nan):
        outputs = {"tag_spread": torch.tensor(spread)}
        hook.after_train_iter(runner, runner.iter, outputs=outputs)
        shown.append(float(outputs["tag_spread"]))
    assert shown[1:] == [1.0, 1.0, 2.0, 1.5]


class _Counted(torch.Tensor):
    """Counts how often its value is read."""

    reads = 0

    def __float__(self):
        _Counted.reads += 1
        return super().__float__()


def test_the_value_is_read_once_in_an_interval():
    runner, hook = _Runner(), TagCollapseHook(after=1, interval=10)
    for _ in range(40):
        hook.after_train_iter(runner, runner.iter, outputs={"tag_spread": torch.tensor(1.0).as_subclass(_Counted)})
        runner.iter += 1
    assert _Counted.reads == 4
