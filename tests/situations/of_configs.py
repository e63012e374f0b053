"""Situations of configs, of modules that they import, and of checkpoints."""

import shutil
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from aemm.engine import load_config
from aemm.engine.checkpoint import SafeCheckpointHook
from aemm.engine.checkpoint_files import CheckpointFiles
from aemm.engine.checkpoint_hook import CheckpointHook
from aemm.engine.config_check import check_loader
from aemm.engine.finite import check_finite
from aemm.engine.resume import choose_start
from tests.end_to_end import write_config
from tests.situations.told import situation, told


def _config(folder, extra, **modules):
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    path = write_config(folder, extra)

    def load():
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(folder))
            try:
                load_config(str(path))
            finally:
                for name in modules:
                    sys.modules.pop(name, None)
        return "no fault"

    return told(load)


@situation("`save_best` of another prefix than the metric's")
def _(folder):
    return _config(folder, "val_evaluator = dict(prefix='val')\n")


@situation("a misspelt argument of the optimizer")
def _(folder):
    return _config(folder, "optim_wrapper = dict(optimizer=dict(weight_decy=1))\n")


@situation("a misspelt key of `train_cfg`")
def _(folder):
    return _config(folder, "train_cfg = dict(val_intervall=2)\n")


@situation("`drop_last` with fewer images than a batch")
def _(folder):
    return told(lambda: check_loader([1, 2], dict(batch_size=3, drop_last=True)))


@situation("a hook with `priority`, and an evaluator written as `dict(type='Evaluator', metrics=[…])`")
def _(folder):
    evaluator = "val_evaluator = dict(_delete_=True, type='Evaluator', metrics=[dict(type='CocoMetric')])\n"
    return _config(folder, f"{evaluator}custom_hooks = [dict(type='DumpHook', path='a.json', priority='LOW')]\n")


@situation("a module of one's own that imports an absent package")
def _(folder):
    imports = "custom_imports = dict(imports=['my_head'])\n"
    return _config(folder, imports, my_head="x = 1\nimport a_package_that_is_absent\n")


@situation("a module of one's own with a syntax error")
def _(folder):
    return _config(folder, "custom_imports = dict(imports=['my_tail'])\n", my_tail="def f(:\n    pass\n")


@situation("a module of one's own that fails while it is imported")
def _(folder):
    return _config(folder, "custom_imports = dict(imports=['my_neck'])\n", my_neck="a = 1\nb = a / 0\n")


def _load(partial):
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    said = []
    runner = SimpleNamespace(model=model, logger=SimpleNamespace(warning=said.append))
    state = {**model.state_dict(), "1.weight": torch.zeros(17, 3)}
    return told(
        lambda: SafeCheckpointHook(partial=partial).after_load_checkpoint(runner, dict(state_dict=state))
    ) + str(said)


@situation("fine-tuning from a checkpoint of other keypoints")
def _(folder):
    return _load(False)


@situation("the same, with `partial=True`")
def _(folder):
    return _load(True)


@situation("a work dir that was copied or moved, resumed there")
def _(folder):
    (folder / "old").mkdir()
    torch.save(dict(optimizer={}, message_hub={}, meta=dict(epoch=1, iter=1)), folder / "old" / "epoch_1.pth")
    (folder / "old" / "last_checkpoint").write_text(str(folder / "old" / "epoch_1.pth"))
    shutil.copytree(folder / "old", folder / "new")
    files = CheckpointFiles.of(CheckpointHook(interval=1), str(folder / "new"))
    return choose_start(files, str(folder / "new"), True, None, False).path


@situation("weights that are no longer finite")
def _(folder):
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight[0, 0] = float("nan")
    return told(lambda: check_finite(model))
