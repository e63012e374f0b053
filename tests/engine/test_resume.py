"""Where a training starts: chosen among small files first, then by trainings that are stopped and go on."""

import shutil
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from aemm.datasets.base import SampleDataset
from aemm.engine.checkpoint_files import CheckpointFiles
from aemm.engine.checkpoint_hook import CheckpointHook
from aemm.engine.loops import IterBasedTrainLoop
from aemm.engine.resume import choose_start
from aemm.formats.checkpoint import CheckpointError
from tests.end_to_end import write_config
from tests.engine.small_runs import difference, small_runner
from tests.engine.small_runs import weights as weights_of
from tests.faults.trials import TINY, one_run, same, start, wait_until


@pytest.fixture
def work_dir(tmp_path):
    """A work dir with the checkpoints of three epochs and a best one."""
    folder = tmp_path / "run"
    folder.mkdir()
    for epoch in (1, 2, 3):
        state = dict(optimizer={}, message_hub={}, meta=dict(epoch=epoch, iter=10 * epoch, seed=7))
        torch.save(state, folder / f"epoch_{epoch}.pth")
    torch.save(dict(state_dict={}, message_hub={}, meta=dict(epoch=2, iter=20)), folder / "best_AP_epoch_2.pth")
    (folder / "last_checkpoint").write_text("/elsewhere/run/epoch_3.pth")
    return folder


def choose(folder, resume=False, named=None, overwrite=False):
    files = CheckpointFiles.of(CheckpointHook(interval=1), str(folder))
    return choose_start(files, str(folder), resume, named and str(named), overwrite)


def test_the_file_of_the_work_dir_counts_not_the_one_it_was_moved_from(work_dir):
    start = choose(work_dir, resume=True)
    assert (start.path, start.seed, start.obsolete, start.notes) == (str(work_dir / "epoch_3.pth"), 7, [], [])


def test_the_work_dir_of_the_shared_case_goes_on_from_its_own_file(shared, tmp_path):
    case = next((shared / "cases").glob("21_*"))
    assert "prefer the file of that name in the given work dir" in (case / "README.md").read_text()
    torch.save(dict(optimizer={}, message_hub={}, meta=dict(epoch=1, iter=1)), tmp_path / "epoch_1.pth")
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "epoch_1.pth", tmp_path / "copy")
    (tmp_path / "copy" / "last_checkpoint").write_text(str(tmp_path / "epoch_1.pth"))
    assert choose(tmp_path / "copy", resume=True).path == str(tmp_path / "copy" / "epoch_1.pth")


@pytest.mark.parametrize("content", [None, "", "epoch_9.pth", "\0\xff"])
def test_a_lost_note_of_the_newest_is_replaced_by_what_lies_there(work_dir, content):
    note = work_dir / "last_checkpoint"
    note.unlink() if content is None else note.write_text(content)
    start = choose(work_dir, resume=True)
    assert start.path == str(work_dir / "epoch_3.pth")
    assert "the newest by its name is epoch_3.pth" in start.notes[0]


def test_ages_are_numbers_and_a_stop_within_an_epoch_is_behind_it(work_dir):
    for name in ("epoch_10.pth", "epoch_10_iter_104.pth", "epoch_9.pth", "epoch_9_iter_99.pth"):
        shutil.copy(work_dir / "epoch_1.pth", work_dir / name)
    files = CheckpointFiles.of(CheckpointHook(interval=1), str(work_dir))
    assert files.names()[:4] == ["epoch_10_iter_104.pth", "epoch_10.pth", "epoch_9_iter_99.pth", "epoch_9.pth"]
    assert files.newer_than("epoch_9.pth") == ["epoch_10_iter_104.pth", "epoch_10.pth", "epoch_9_iter_99.pth"]
    assert files.within_epochs_before("epoch_10.pth") == ["epoch_9_iter_99.pth"]


def test_a_damaged_newest_one_is_named_and_the_one_before_is_used(work_dir):
    content = (work_dir / "epoch_3.pth").read_bytes()
    (work_dir / "epoch_3.pth").write_bytes(content[: len(content) // 2])
    (work_dir / "epoch_2.pth").write_bytes(b"")
    start = choose(work_dir, resume=True)
    assert start.path == str(work_dir / "epoch_1.pth")
    assert [note.split(" (")[0] for note in start.notes] == [
        f"passed over: checkpoint {work_dir}/epoch_3.pth is damaged or no checkpoint",
        f"passed over: checkpoint {work_dir}/epoch_2.pth is empty; it was cut short while being written or copied: "
        "delete it, then use another or fetch it again",
    ]


def test_a_training_does_not_start_anew_in_silence_where_all_are_damaged(work_dir):
    for path in work_dir.glob("epoch_*"):
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"none of the checkpoints is whole(.|\n)*epoch_1\.pth is empty"):
        choose(work_dir, resume=True)


def test_a_training_does_not_start_anew_in_silence_where_the_newest_was_taken_away(work_dir):
    for path in work_dir.glob("*.pth"):
        path.unlink()
    with pytest.raises(CheckpointError, match=r"names epoch_3\.pth, but .* holds no such file.*--overwrite"):
        choose(work_dir, resume=True)


def test_resuming_where_nothing_is_starts_anew_and_says_so(tmp_path):
    start = choose(tmp_path, resume=True)
    assert start.path is None
    assert "holds no checkpoint to go on from: the training starts anew" in start.notes[0]


def test_a_new_run_in_a_used_work_dir_is_refused_unless_asked_for(work_dir):
    with pytest.raises(CheckpointError, match=r"earlier run \(epoch_3\.pth, .*--resume, choose another --work-dir"):
        choose(work_dir)
    assert choose(work_dir, overwrite=True).obsolete == [
        *("epoch_3.pth", "epoch_2.pth", "epoch_1.pth"),
        "best_AP_epoch_2.pth",
    ]


def test_weights_alone_cannot_be_resumed_from(work_dir):
    with pytest.raises(CheckpointError, match=r"no optimizer, as best_.* Resume from epoch_3\.pth.*load_from="):
        choose(work_dir, resume=True, named=work_dir / "best_AP_epoch_2.pth")
    for path in work_dir.glob("epoch_*"):
        path.unlink()
    (work_dir / "last_checkpoint").unlink()
    with pytest.raises(CheckpointError, match=r"earlier run \(best_AP_epoch_2\.pth\); which hold no optimizer"):
        choose(work_dir, resume=True)


def test_a_file_of_no_training_cannot_be_resumed_from(work_dir):
    torch.save(dict(weight=torch.zeros(1)), work_dir / "w.pth")
    with pytest.raises(
        CheckpointError, match=r"w\.pth cannot be resumed from: it holds no optimizer and no message_hub"
    ):
        choose(work_dir, resume=True, named=work_dir / "w.pth")


def test_going_back_gives_up_the_newer_ones_only_if_asked_for(work_dir):
    with pytest.raises(CheckpointError, match=r"newer checkpoints than .*epoch_1\.pth: epoch_3\.pth, epoch_2\.pth"):
        choose(work_dir, resume=True, named=work_dir / "epoch_1.pth")
    start = choose(work_dir, resume=True, named=work_dir / "epoch_1.pth", overwrite=True)
    assert (start.path, start.obsolete) == (str(work_dir / "epoch_1.pth"), ["epoch_3.pth", "epoch_2.pth"])
    assert choose(work_dir, resume=True, named=work_dir / "epoch_3.pth").obsolete == []


def test_two_runs_are_not_mixed_in_one_work_dir(work_dir, tmp_path):
    with pytest.raises(CheckpointError, match=r"checkpoints of another run .* in a --work-dir of its own"):
        choose(work_dir, resume=True, named=shutil.copy(work_dir / "epoch_1.pth", tmp_path / "epoch_1.pth"))
    (tmp_path / "new").mkdir()
    assert choose(tmp_path / "new", resume=True, named=work_dir / "epoch_1.pth").path == str(work_dir / "epoch_1.pth")


# Trainings: 3 iterations of 2 images in an epoch, drawn in another order each epoch


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return write_config(tmp_path_factory.mktemp("config"), TINY.replace("max_epochs=5", "max_epochs=3") + DROPOUT)


DROPOUT = """
model = dict(backbone=dict(type="HourglassWithDropout"))
"""


@pytest.fixture(scope="module")
def unbroken(config, tmp_path_factory):
    """A work dir after three epochs."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    assert one_run(config, folder) == 0, output(folder)
    return folder


def output(folder):
    return (folder / "output.txt").read_text()


def last_start(folder):
    return output(folder).split("environment, config and the whole log")[-1]


def weights(folder, name="epoch_3.pth"):
    checkpoint = torch.load(folder / name, weights_only=True)
    return {key: checkpoint[key] for key in ("state_dict", "optimizer", "param_schedulers")}


def copy_of(folder, target, *names):
    """A work dir with some of the checkpoints of another."""
    target.mkdir()
    for name in names:
        shutil.copy(folder / name, target)
    return target


BY_ITERATION = {"default_hooks.checkpoint.by_epoch": False, "default_hooks.checkpoint.max_keep_ckpts": -1}


@pytest.fixture(scope="module")
def by_iteration(config, tmp_path_factory):
    """The same training with a checkpoint of every iteration."""
    folder = tmp_path_factory.mktemp("by_iteration") / "run"
    assert one_run(config, folder, options=BY_ITERATION) == 0, output(folder)
    return folder


def test_dropout_makes_a_difference(unbroken, config, tmp_path):
    options = {"randomness.seed": 2}
    assert one_run(config, tmp_path / "run", options=options) == 0
    assert not same(weights(unbroken), weights(tmp_path / "run"))


@pytest.mark.parametrize("iteration", [1, 3, 5, 6, 9])
def test_a_checkpoint_of_any_iteration_leads_to_the_same_bits(by_iteration, config, tmp_path, iteration):
    folder = copy_of(by_iteration, tmp_path / "run", f"iter_{iteration}.pth")
    assert one_run(config, folder, options=BY_ITERATION) == 0, output(folder)
    assert sorted(path.name for path in folder.glob("iter_*")) == [f"iter_{i}.pth" for i in range(iteration, 10)]
    assert same(weights(by_iteration, "iter_9.pth"), weights(folder, "iter_9.pth"))
    assert "not bit by bit" not in last_start(folder)


@pytest.mark.parametrize("epoch", [2, 3])
def test_an_epoch_whose_validation_was_cut_short_is_validated_first(unbroken, config, tmp_path, epoch):
    folder = copy_of(unbroken, tmp_path / "run", f"epoch_{epoch}.pth", "best_sum_epoch_1.pth")
    assert one_run(config, folder) == 0, output(folder)
    lines = [line for line in last_start(folder).splitlines() if "Epoch(" in line]
    assert f"Epoch(val) [{epoch}]" in lines[0]
    assert lines[0].split("]    ")[1].split()[1] in output(unbroken)
    assert same(weights(unbroken), weights(folder))
    assert [path.name for path in folder.glob("best_*")] == [path.name for path in unbroken.glob("best_*")]


def test_what_is_ignored_is_named(unbroken, config, tmp_path):
    folder = copy_of(unbroken, tmp_path / "run", "epoch_2.pth")
    options = {
        "optim_wrapper.optimizer.lr": 1e-5,
        "optim_wrapper.optimizer.weight_decay": 0.1,
        "param_scheduler.0.milestones": [2],
        "train_cfg.max_epochs": 4,
        "randomness.seed": 5,
    }
    assert one_run(config, folder, options=options) == 0, output(folder)
    said = last_start(folder)
    for line in (
        "seed 5 is ignored: the run goes on with the checkpoint's, 1",
        "lr of the optimizer: 1e-05 is ignored, 0.004 of the checkpoint goes on",
        "weight_decay of the optimizer: 0.1 is ignored, 0 of the checkpoint goes on",
        "milestones of schedule 0: {2: 1} is ignored, {1: 1} of the checkpoint goes on",
        "training goes on to max_epochs 4, not 3; schedules keep the length they had",
    ):
        assert line in said
    assert same(weights(unbroken), weights(folder))  # nothing of all this has changed what was to come


def test_another_batch_size_goes_on_behind_the_images_that_were_seen(by_iteration, config, tmp_path):
    folder = copy_of(by_iteration, tmp_path / "run", "iter_2.pth")
    options = {**BY_ITERATION, "train_dataloader.batch_size": 3, "train_cfg.max_epochs": 1}
    assert one_run(config, folder, options=options) == 0, output(folder)
    said = last_start(folder)
    assert "processes × batch size are 1 × 3, not 1 × 2; the learning rate stays" in said
    assert "1 images of the epoch are trained on twice" in said
    assert [path.name for path in folder.glob("iter_*")] == ["iter_2.pth"]  # of 2 iterations now, the second is left


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"optim_wrapper.optimizer": dict(type="SGD", lr=0.1, _delete_=True)},
            "its optimizers are {'optimizer': 'Adam'}",
        ),
        ({"param_scheduler": []}, "its schedules are ['MultiStepLR'], those of the config []"),
        ({"optim_wrapper.paramwise_cfg": dict(bias_lr_mult=2)}, "its optimizer is of other parameters"),
    ],
)
def test_states_of_other_parts_are_refused(unbroken, config, tmp_path, options, message):
    folder = copy_of(unbroken, tmp_path / "run", "epoch_2.pth")
    assert one_run(config, folder, options=options) == 1
    assert message in last_start(folder)
    assert "Traceback" not in last_start(folder)


def test_code_in_a_checkpoint_to_resume_from_never_runs(unbroken, config, tmp_path):
    folder = copy_of(unbroken, tmp_path / "run", "epoch_3.pth")
    checkpoint = torch.load(folder / "epoch_3.pth", weights_only=True)
    checkpoint["meta"]["config"] = f"open({str(tmp_path / 'payload')!r}, 'w')"
    torch.save(checkpoint, folder / "epoch_3.pth")
    assert one_run(config, folder) == 0, output(folder)
    assert not (tmp_path / "payload").exists()


def test_a_new_run_takes_the_place_of_the_old_one_once_everything_is_built(unbroken, config, tmp_path):
    folder = copy_of(unbroken, tmp_path / "run", "epoch_2.pth", "epoch_3.pth")
    anew = {"resume": False, "load_from": str(unbroken / "epoch_3.pth"), "default_hooks.checkpoint.overwrite": True}
    assert one_run(config, folder, options={**anew, "load_from": str(tmp_path / "none.pth")}) == 1
    assert sorted(path.name for path in folder.glob("*.pth")) == ["epoch_2.pth", "epoch_3.pth"]
    assert one_run(config, folder, options={**anew, "train_cfg.max_epochs": 1}) == 0, output(folder)
    assert sorted(path.name for path in folder.glob("epoch_*.pth")) == ["epoch_1.pth"]


def test_iteration_based_training_goes_on_alike(config, tmp_path):
    loop = dict(type="IterBasedTrainLoop", max_iters=6, val_interval=2, _delete_=True)
    options = {**BY_ITERATION, "train_cfg": loop, "param_scheduler.0.by_epoch": False}
    assert one_run(config, tmp_path / "whole", options=options) == 0, output(tmp_path / "whole")
    folder = copy_of(tmp_path / "whole", tmp_path / "run", "iter_4.pth")
    assert one_run(config, folder, options=options) == 0, output(folder)
    assert same(weights(tmp_path / "whole", "iter_6.pth"), weights(folder, "iter_6.pth"))
    validated = [line for line in last_start(folder).splitlines() if "Epoch(val)" in line or "Iter(val)" in line]
    assert len(validated) == 2  # the one that a stop behind iteration 4 cut short, and that of iteration 6


@pytest.mark.parametrize(("sampler", "done"), [("SeededSampler", 3), ("SeededSampler", 7), ("InfiniteSampler", 7)])
def test_iteration_based_training_loads_nothing_that_it_has_seen(tmp_path, monkeypatch, sampler, done):
    loaded, load = [], SampleDataset.__getitem__
    monkeypatch.setattr(SampleDataset, "__getitem__", lambda self, key: loaded.append(key) or load(self, key))
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # mmengine's, between epochs

    def trained(folder, **options):
        runner = small_runner(
            folder,
            train_cfg=dict(type="IterBasedTrainLoop", max_iters=9, _delete_=True),
            train_dataloader__sampler=dict(type=sampler, shuffle=True, _delete_=True),
            param_scheduler=None,
            default_hooks__checkpoint__by_epoch=False,
            **options,
        )
        runner.train()
        return weights_of(runner)

    whole = trained(tmp_path / "whole", default_hooks__checkpoint__interval=done)
    expected, loaded[:] = loaded[4 * done : 36], []
    rest = trained(tmp_path / "rest", resume=True, load_from=str(tmp_path / "whole" / "run" / f"iter_{done}.pth"))
    assert loaded == expected
    assert difference(whole, rest) == 0


def test_batches_are_passed_over_at_once_where_the_maintained_fork_asks_for_it():
    loop = IterBasedTrainLoop.__new__(IterBasedTrainLoop)
    loop.dataloader = DataLoader(range(8), batch_size=2)
    loop.begin_at(3)
    loop.dataloader_iterator.skip_iter(2)  # and one for the validation, behind iteration 3
    assert next(loop.dataloader_iterator) is None
    assert next(loop.dataloader_iterator).tolist() == [6, 7]


def test_early_stopping_keeps_its_count(config, tmp_path):
    stopping = dict(type="EarlyStoppingHook", monitor="sum", rule="greater", patience=2, min_delta=1e9)
    options = {"custom_hooks": [stopping], "train_cfg.max_epochs": 9}
    assert one_run(config, tmp_path / "whole", options=options) == 0, output(tmp_path / "whole")
    kept = [torch.load(path)["early_stopping"]["sum"]["wait_count"] for path in epochs(tmp_path / "whole")]
    assert kept == [0, 1]  # of epochs 2 and 3, before their validations; the second failure ended it
    folder = copy_of(tmp_path / "whole", tmp_path / "run", "epoch_2.pth")
    assert one_run(config, folder, options=options) == 0, output(folder)
    assert [path.name for path in epochs(folder)] == ["epoch_2.pth", "epoch_3.pth"]
    assert torch.load(folder / "epoch_3.pth")["early_stopping"]["sum"]["wait_count"] == 1


def epochs(folder):
    return sorted(folder.glob("epoch_?.pth"))


def test_a_killed_training_within_an_epoch_loses_that_epoch_alone(unbroken, config, tmp_path):
    process = start(config, tmp_path / "run")
    wait_until((tmp_path / "run" / "epoch_1.pth").exists, process)
    process.kill()
    process.join()
    assert one_run(config, tmp_path / "run") == 0, output(tmp_path / "run")
    assert "resumed epoch: 1" in last_start(tmp_path / "run") or "resumed epoch: 2" in last_start(tmp_path / "run")
    assert same(weights(unbroken), weights(tmp_path / "run"))


def test_files_of_the_run_are_named_in_the_log_by_their_own_paths(unbroken):
    assert Path((unbroken / "last_checkpoint").read_text()) == unbroken / "epoch_3.pth"


def test_another_number_of_threads_is_said_to_round_otherwise(unbroken, config, tmp_path):
    folder = copy_of(unbroken, tmp_path / "run", "epoch_2.pth")
    checkpoint = torch.load(folder / "epoch_2.pth", weights_only=True)
    checkpoint["meta"]["run"]["threads"] += 1
    torch.save(checkpoint, folder / "epoch_2.pth")
    assert one_run(config, folder) == 0, output(folder)
    threads = checkpoint["meta"]["run"]["threads"]
    assert f"OMP_NUM_THREADS={threads} makes them so" in last_start(folder)


def test_the_checkpoint_that_a_run_goes_on_from_is_its_newest(tmp_path):
    options = dict(default_hooks__checkpoint__interval=1, train_cfg__max_epochs=1)
    small_runner(tmp_path, **options).train()
    runner = small_runner(tmp_path, resume=True, **options)
    runner.train()  # which is done
    (saver,) = (hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
    assert saver.last_ckpt == str(tmp_path / "run" / "epoch_1.pth")
