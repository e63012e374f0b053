import pytest
from mmengine.dist import get_rank

from aemm.datasets.synthetic import SyntheticPoseDataset
from aemm.engine import BadSamplesHook
from aemm.formats import UnreadableImageError
from aemm.registry import DATASETS
from tests.engine.small_runs import small_runner
from tests.processes import run_processes


@DATASETS.register_module()
class FlakyDataset(SyntheticPoseDataset):
    """Drawn people, of whom some cannot be read.

    Args:
        broken: indices of theirs.
        settings: of the drawn people.
    """

    def __init__(self, broken=(), **settings):
        on_unreadable = settings.pop("on_unreadable", "next")
        super().__init__(**settings)
        self.broken, self.on_unreadable = broken, on_unreadable

    def load(self, index):
        if index in self.broken:
            raise UnreadableImageError(f"image {index}.jpg cannot be decoded")
        return super().load(index)


def _runner(tmp_path, broken, launcher="none", **options):
    flaky = dict(train_dataloader__dataset__type="FlakyDataset", train_dataloader__dataset__broken=broken)
    quiet = dict(default_hooks__logger__interval=50, log_level="INFO")
    return small_runner(tmp_path, "", launcher, **flaky, **quiet, **options)


def _log(tmp_path):
    return "".join(path.read_text() for path in (tmp_path / "run").glob("*/*.log"))


def test_each_unreadable_image_is_listed_once_in_the_log_file_and_counted(tmp_path, capsys):
    runner = _runner(tmp_path, [2, 5, 6])
    runner.train()
    log = _log(tmp_path)
    for index in (2, 5, 6):
        assert log.count(f"image {index}.jpg cannot be decoded") == 1
    assert "3 images cannot be read so far" in log
    shown = capsys.readouterr()
    assert "cannot be decoded" not in shown.out + shown.err
    assert "3 images cannot be read so far" in shown.out + shown.err


def test_too_many_end_the_run_before_anything_is_saved(tmp_path):
    options = dict(default_hooks__bad_samples__max_bad_samples=2, default_hooks__checkpoint__interval=1)
    with pytest.raises(UnreadableImageError, match=r"3 images cannot be read, more than .*max_bad_samples=2"):
        _runner(tmp_path, [2, 5, 6], **options).train()
    assert not list((tmp_path / "run").glob("*.pth"))
    options["default_hooks__bad_samples__max_bad_samples"] = 3
    _runner(tmp_path, [2, 5, 6], **options).train()


def test_by_default_the_first_ends_the_run(tmp_path):
    with pytest.raises(UnreadableImageError, match=r"image 5\.jpg"):
        _runner(tmp_path, [5], train_dataloader__dataset__on_unreadable="error").train()


def _two(tmp_path):
    workers = dict(train_dataloader__num_workers=2, train_dataloader__persistent_workers=True)
    runner = _runner(tmp_path, [1, 2, 3, 9], "pytorch", train_dataloader__batch_size=2, **workers)
    runner.train()
    hook = next(hook for hook in runner.hooks if isinstance(hook, BadSamplesHook))
    return get_rank(), list(hook.known)


def test_they_are_summed_over_processes_and_workers(tmp_path):
    (_, one), (_, two) = run_processes(2, _two, tmp_path)
    assert one == two
    assert sorted(one) == [f"image {index}.jpg cannot be decoded" for index in (1, 2, 3, 9)]
    log = _log(tmp_path)
    assert all(log.count(reason) == 1 for reason in one)


@pytest.mark.parametrize("settings", [dict(max_bad_samples=-1), dict(interval=0)])
def test_settings_without_a_meaning_are_refused(settings):
    with pytest.raises(ValueError, match="max_bad_samples"):
        BadSamplesHook(**settings)
