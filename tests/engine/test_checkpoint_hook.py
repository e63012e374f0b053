import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.fileio import LocalBackend
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope

from aemm.engine import CheckpointHook, checkpoint_hook
from aemm.engine.config_check import config_faults
from aemm.formats.checkpoint import read_checkpoint
from aemm.registry import HOOKS


class Runner:
    """What the hook needs of a runner: it writes its iteration where it is told to."""

    world_size = 1
    hooks = ()

    def __init__(self, work_dir: Path):
        self.work_dir = str(work_dir)
        self.said = []
        tell = self.said.append
        self.logger = SimpleNamespace(info=tell, warning=tell, error=tell)
        self.message_hub = MessageHub.get_instance(str(work_dir))
        self.epoch = self.iter = 0
        self.max_epochs, self.max_iters = 100, 1000

    def save_checkpoint(self, folder, name, save_optimizer, save_param_scheduler, meta, backend_args):
        buffer = io.BytesIO()
        torch.save(dict(weights=torch.full((1000,), float(self.iter)), meta=meta, optimizer=save_optimizer), buffer)
        LocalBackend().put(buffer.getvalue(), f"{folder}/{name}")

    def train(self, hook, epochs, scores=()):
        """Ten iterations for each epoch, and a validation where there is a score for it."""
        for _ in range(epochs):
            self.iter += 10
            hook.after_train_epoch(self)
            self.epoch += 1
            if self.epoch <= len(scores):
                hook.after_val_epoch(self, {"AP": scores[self.epoch - 1]})


@pytest.fixture
def trained(tmp_path):
    """A function that trains with a hook of these settings; it returns both."""

    def train(epochs, scores=(), folder="run", **settings):
        hook = CheckpointHook(interval=1, **settings)
        (tmp_path / folder).mkdir(exist_ok=True)
        runner = Runner(tmp_path / folder)
        hook.before_train(runner)
        runner.train(hook, epochs, scores)
        return hook, runner

    return train


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


@pytest.fixture(autouse=True)
def _no_random_states(monkeypatch):
    monkeypatch.setattr(checkpoint_hook, "random_states", list)


def test_the_name_in_a_config_means_this_hook():
    init_default_scope("aemm")
    assert type(HOOKS.build(dict(type="CheckpointHook", interval=1))) is CheckpointHook
    faults = config_faults(dict(default_hooks=dict(checkpoint=dict(type="CheckpointHook", intervals=1))))
    assert faults == ["default_hooks.checkpoint: CheckpointHook has no argument 'intervals'; did you mean 'interval'?"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(on_write_error="ignore"), "must be 'continue' or 'stop', got 'ignore'"),
        (dict(filename_tmpl="x"), "one {}"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        CheckpointHook(**settings)


def test_the_newest_and_the_best_are_kept(trained):
    _, runner = trained(5, scores=[0.1, 0.4, 0.2, 0.3, 0.1], max_keep_ckpts=2, save_best="AP", rule="greater")
    assert names(runner.work_dir) == ["best_AP_epoch_2.pth", "epoch_4.pth", "epoch_5.pth", "last_checkpoint"]
    assert (Path(runner.work_dir) / "last_checkpoint").read_text() == f"{runner.work_dir}/epoch_5.pth"
    best = read_checkpoint(f"{runner.work_dir}/best_AP_epoch_2.pth")
    assert (best["weights"][0], best["optimizer"], best["meta"]["iter"]) == (20, False, 20)


def test_an_old_file_goes_only_after_the_new_one_is_there_whole(trained, monkeypatch):
    seen = []
    remove = checkpoint_hook.CheckpointFiles.remove

    def look(self, gone):
        gone = [name for name in gone if Path(self.path(name)).exists()]
        if gone:
            left = [name for name in names(self.folder) if name.endswith(".pth") and name not in gone]
            seen.append((gone, [name for name in left if read_checkpoint(self.path(name))]))
        remove(self, gone)

    monkeypatch.setattr(checkpoint_hook.CheckpointFiles, "remove", look)
    trained(3, scores=[0.1, 0.2, 0.3], max_keep_ckpts=1, save_best="AP", rule="greater")
    assert seen == [
        (["epoch_1.pth"], ["best_AP_epoch_1.pth", "epoch_2.pth"]),
        (["best_AP_epoch_1.pth"], ["best_AP_epoch_2.pth", "epoch_2.pth"]),
        (["epoch_2.pth"], ["best_AP_epoch_2.pth", "epoch_3.pth"]),
        (["best_AP_epoch_2.pth"], ["best_AP_epoch_3.pth", "epoch_3.pth"]),
    ]


def test_no_checkpoint_is_written_twice(trained, monkeypatch):
    written = []
    settle = checkpoint_hook.settle
    monkeypatch.setattr(
        checkpoint_hook, "settle", lambda part, target: (written.append(target.name), settle(part, target))
    )
    trained(2, scores=[0.1, 0.2], save_best="AP", rule="greater")
    assert written == ["epoch_1.pth", "best_AP_epoch_1.pth", "epoch_2.pth", "best_AP_epoch_2.pth"]


def test_files_go_where_the_settings_say(trained, tmp_path):
    _, runner = trained(2, out_dir=str(tmp_path / "elsewhere"), filename_tmpl="net-{}.pth")
    assert names(tmp_path / "elsewhere" / "run") == ["net-1.pth", "net-2.pth"]
    assert (Path(runner.work_dir) / "last_checkpoint").read_text() == str(tmp_path / "elsewhere/run/net-2.pth")


def test_several_metrics_have_their_best(trained):
    hook, runner = trained(0, save_best=["AP", "loss"], rule=["greater", "less"])
    for epoch, (score, loss) in enumerate([(0.1, 3), (0.3, 4), (0.2, 2)], 1):
        runner.epoch = epoch
        hook.after_val_epoch(runner, dict(AP=score, loss=loss))
    assert names(runner.work_dir) == ["best_AP_epoch_2.pth", "best_loss_epoch_3.pth"]


def test_a_metric_that_is_not_there_is_named_with_those_that_are(trained):
    with pytest.raises(ValueError, match=r"save_best: the validation gives no metric 'coco/AP'; it gives AP"):
        trained(1, scores=[0.1], save_best="coco/AP", rule="greater")


class Disk:
    """A disk that is full for the files whose names hold these words."""

    def __init__(self, monkeypatch):
        self.full = ()
        put = LocalBackend.put

        def put_if_there_is_room(backend, data, path):
            put(backend, data[: len(data) // 2], path)
            if any(word in Path(path).name for word in self.full):
                raise OSError(28, "No space left on device")
            put(backend, data, path)

        monkeypatch.setattr(LocalBackend, "put", put_if_there_is_room)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def test_training_goes_on_where_the_disk_is_full_for_a_while(trained, disk):
    hook, runner = trained(2)
    disk.full = ("epoch_3", "epoch_4")
    runner.train(hook, 2)
    assert names(runner.work_dir) == ["epoch_1.pth", "epoch_2.pth", "last_checkpoint"]
    assert re.search(
        r"epoch_4\.pth could not be written: No space left.*the last whole one is .*epoch_2", runner.said[-1]
    )
    runner.train(hook, 1)
    hook.after_train(runner)
    assert "epoch_5.pth" in names(runner.work_dir)


def test_training_stops_where_the_disk_is_full_if_asked_to(trained, disk):
    hook, runner = trained(1, on_write_error="stop")
    disk.full = ("epoch_2",)
    with pytest.raises(
        OSError, match=r"epoch_2\.pth could not be written: No space left.*the last whole one is .*epoch_1"
    ):
        runner.train(hook, 1)
    assert names(runner.work_dir) == ["epoch_1.pth", "last_checkpoint"]


def test_training_does_not_end_well_without_its_last_checkpoint(trained, disk):
    hook, runner = trained(1)
    disk.full = ("epoch_2",)
    runner.train(hook, 1)
    with pytest.raises(OSError, match=r"training is done, but checkpoint .*epoch_2\.pth could not be written"):
        hook.after_train(runner)


def test_every_process_learns_that_the_first_could_not_write(trained, monkeypatch):
    hook, runner = trained(1, scores=[0.5], save_best="AP", rule="greater")

    def hear(outcome):
        outcome[0] = "No space left on device"

    monkeypatch.setattr(checkpoint_hook, "broadcast_object_list", hear)
    monkeypatch.setattr(hook, "_link_best", lambda *_: False)
    runner.train(hook, 1, scores=[0, 0.9])
    assert runner.message_hub.get_info("best_score") == 0.5
    assert hook.last_ckpt.endswith("epoch_1.pth")
    with pytest.raises(OSError, match=r"epoch_2\.pth could not be written.*; checkpoint .*best_AP_epoch_2"):
        hook.after_train(runner)


def test_older_checkpoints_make_room_but_never_the_newest(trained, disk, monkeypatch):
    hook, runner = trained(3, max_keep_ckpts=3)
    disk.full = ("epoch_4",)
    remove = checkpoint_hook.CheckpointFiles.remove

    def make_room(files, gone):
        disk.full = ()
        remove(files, gone)

    monkeypatch.setattr(checkpoint_hook.CheckpointFiles, "remove", make_room)
    runner.train(hook, 1)
    assert names(runner.work_dir) == ["epoch_3.pth", "epoch_4.pth", "last_checkpoint"]


def test_nothing_is_deleted_to_make_room_where_all_are_to_be_kept(trained, disk):
    hook, runner = trained(3)
    disk.full = ("epoch_4",)
    runner.train(hook, 1)
    assert names(runner.work_dir) == ["epoch_1.pth", "epoch_2.pth", "epoch_3.pth", "last_checkpoint"]


def test_the_best_weights_are_kept_where_there_is_no_room_to_write_them(trained, disk):
    disk.full = ("best_",)
    _, runner = trained(3, scores=[0.1, 0.2, 0.1], max_keep_ckpts=1, save_best="AP", rule="greater")
    assert names(runner.work_dir) == ["best_AP_epoch_2.pth", "epoch_3.pth", "last_checkpoint"]
    assert read_checkpoint(f"{runner.work_dir}/best_AP_epoch_2.pth")["weights"][0] == 20


def test_the_best_weights_of_a_validation_that_a_resume_makes_up_for_are_kept_likewise(trained, disk):
    _, runner = trained(1)
    hook = CheckpointHook(interval=1, save_best="AP", rule="greater")
    hook.last_ckpt = f"{runner.work_dir}/epoch_1.pth"  # as a resume says
    hook.before_train(runner)
    disk.full = ("best_",)
    hook.after_val_epoch(runner, {"AP": 0.5})
    assert names(runner.work_dir) == ["best_AP_epoch_1.pth", "epoch_1.pth", "last_checkpoint"]
    assert read_checkpoint(f"{runner.work_dir}/best_AP_epoch_1.pth")["weights"][0] == 10
    assert hook.save_stopped(runner, 10, epoch_ended=True) == f"{runner.work_dir}/epoch_1.pth"
    hook.after_train(runner)


def test_a_best_file_that_is_not_there_does_not_count(trained, disk):
    disk.full = ("best_", "epoch_2")
    hook, runner = trained(2, scores=[0.1, 0.5], save_best="AP", rule="greater")
    assert runner.message_hub.get_info("best_score") == 0.1
    disk.full = ()
    runner.train(hook, 1, scores=[0, 0, 0.3])
    assert names(runner.work_dir) == ["best_AP_epoch_3.pth", "epoch_1.pth", "epoch_3.pth", "last_checkpoint"]
    hook.after_train(runner)


def test_what_a_killed_run_had_begun_to_write_is_cleared_away(trained, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".epoch_7.pth.part").write_bytes(b"half")
    trained(0)
    assert names(tmp_path / "run") == []


def test_a_copied_work_dir_never_deletes_in_the_one_it_was_copied_from(trained, tmp_path):
    _, runner = trained(1, scores=[0.1], save_best="AP", rule="greater")
    (tmp_path / "copy").mkdir()
    for path in Path(runner.work_dir).glob("*.pth"):
        (tmp_path / "copy" / path.name).write_bytes(path.read_bytes())
    hook, copied = CheckpointHook(interval=1, save_best="AP", rule="greater"), Runner(tmp_path / "copy")
    copied.message_hub.load_state_dict(runner.message_hub.state_dict())
    copied.epoch, copied.iter = 1, 10
    hook.before_train(copied)
    copied.train(hook, 1, scores=[0, 0.2])
    assert names(tmp_path / "copy") == ["best_AP_epoch_2.pth", "epoch_1.pth", "epoch_2.pth", "last_checkpoint"]
    assert "best_AP_epoch_1.pth" in names(runner.work_dir)


def test_where_the_best_file_is_gone_the_next_validation_is_the_best(trained, tmp_path):
    _, runner = trained(1, scores=[0.9], save_best="AP", rule="greater")
    (tmp_path / "run" / "best_AP_epoch_1.pth").unlink()
    hook, resumed = CheckpointHook(interval=1, save_best="AP", rule="greater"), runner
    hook.before_train(resumed)
    resumed.train(hook, 1, scores=[0, 0.3])
    assert "best_AP_epoch_2.pth" in names(runner.work_dir)
    assert any("the best AP when the run stopped, is gone" in line for line in runner.said)


def test_a_published_file_is_whole_and_named_by_its_hash(trained):
    hook, runner = trained(1, published_keys=["weights"])
    hook.after_train(runner)
    (written,) = Path(runner.work_dir).glob("epoch_1-*.pth")
    assert re.fullmatch(r"epoch_1-[0-9a-f]{8}\.pth", written.name)
    assert set(read_checkpoint(written)) == {"weights"}


def test_a_stop_within_an_epoch_is_saved_once_and_deleted_after_the_epoch(trained):
    hook, runner = trained(1, max_keep_ckpts=5)
    assert hook.save_stopped(runner, 10, epoch_ended=True).endswith("/epoch_1.pth")  # this state is there already
    runner.iter = 13
    assert hook.save_stopped(runner, 14, epoch_ended=False).endswith("/epoch_1_iter_14.pth")
    assert read_checkpoint(f"{runner.work_dir}/epoch_1_iter_14.pth")["meta"] == dict(epoch=1, iter=14, stopped=True)
    runner.iter = 10
    runner.train(hook, 1)
    assert names(runner.work_dir) == ["epoch_1.pth", "epoch_2.pth", "last_checkpoint"]


def test_a_stop_behind_an_epoch_that_was_not_to_be_saved_is_saved_under_its_name(trained):
    hook, runner = trained(1)
    hook.interval = 5
    runner.train(hook, 1)
    assert hook.save_stopped(runner, 20, epoch_ended=True).endswith("/epoch_2.pth")


def test_iterations_are_counted_where_the_settings_say(trained):
    hook, runner = trained(0, by_epoch=False)
    runner.iter = 6
    hook.after_train_iter(runner, 6)
    runner.iter = 7
    assert hook.save_stopped(runner, 8, epoch_ended=False).endswith("/iter_8.pth")
    assert names(runner.work_dir) == ["iter_7.pth", "iter_8.pth", "last_checkpoint"]
