import os
from types import SimpleNamespace

import pytest
from mmengine.logging import HistoryBuffer
from mmengine.runner import LogProcessor

from aemm.engine.history import entries_read, shorten_history
from tests.engine.small_runs import small_runner


def _runner(processor, **scalars):
    loop = SimpleNamespace(dataloader=range(30))
    hub = SimpleNamespace(log_scalars={name: HistoryBuffer([0.0], [1]) for name in scalars})
    return SimpleNamespace(train_loop=loop, val_loop=None, max_iters=900, message_hub=hub, log_processor=processor)


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("train/loss", 5),
        ("train/lr", 5),
        ("train/loss_push", 30),
        ("train/loss_pull", 900),
        ("train/time", 7),
        ("test/time", 5),
        ("something/else", 5),
    ],
)
def test_as_many_entries_are_kept_as_the_windows_span(name, entries):
    custom = [
        dict(data_src="loss_push", method_name="mean", window_size="epoch"),
        dict(data_src="loss_pull", method_name="mean", window_size="global"),
        dict(data_src="time", method_name="max", window_size=7, log_name="slowest"),
    ]
    processor = LogProcessor(window_size=5, custom_cfg=custom)
    assert entries_read(name, processor, _runner(processor)) == entries


def test_old_entries_are_forgotten_and_the_mean_of_the_window_is_the_same():
    processor = LogProcessor(window_size=10)
    runner = _runner(processor, loss=0)
    hub = {"train/loss": HistoryBuffer(), "train/other": HistoryBuffer()}
    runner.message_hub.log_scalars = hub
    full = HistoryBuffer()
    for step in range(500):
        full.update(step**0.5)
        hub["train/loss"].update(step**0.5)
        shorten_history(runner)
    assert len(hub["train/loss"].data[0]) == 10
    assert hub["train/loss"].mean(10) == full.mean(10)
    assert hub["train/loss"].current() == full.current()
    shorten_history(runner, keep=100)
    assert hub["train/loss"].max_length == 100


def test_checkpoints_do_not_grow_with_the_length_of_a_training(tmp_path):
    small = dict(train_dataloader__dataset__image_size=32, log_processor=dict(window_size=3))
    sizes = []
    for epochs in (2, 12):
        options = dict(train_cfg__max_epochs=epochs, default_hooks__checkpoint__interval=epochs, **small)
        small_runner(tmp_path / str(epochs), **options).train()
        sizes.append(os.path.getsize(tmp_path / str(epochs) / "run" / f"epoch_{epochs}.pth"))
    assert abs(sizes[1] - sizes[0]) < 1500
