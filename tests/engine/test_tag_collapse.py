from types import SimpleNamespace

from aemm.engine import TagCollapseHook


class _Runner:
    def __init__(self):
        self.iter, self.warnings = 0, []
        self.logger = SimpleNamespace(warning=self.warnings.append)

    def run(self, hook, spreads):
        for spread in spreads:
            outputs = {} if spread is None else {"tag_spread": spread}
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
