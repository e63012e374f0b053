"""What several agents and restarts of torchrun do to a training; all of it by command, pytest -m slow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.end_to_end import ROOT, check, run_tool, write_config
from tests.engine.small_runs import difference
from tests.processes import free_port

pytestmark = pytest.mark.slow

# without statistics of a part of a batch, four processes compute what one does
CURVE = """
model = dict(backbone=dict(stacks=1, width=8, growth=4, depth=2, stem=(4, 8, 8), norm_cfg=None))
train_dataloader["batch_size"] = {batch_size}
train_dataloader["dataset"]["length"] = 48
train_cfg = dict(max_epochs=3)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
"""


def _curve(work_dir: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in next(work_dir.glob("*/vis_data/scalars.json")).read_text().splitlines()]
    return [row for row in rows if "loss" in row]


def test_two_agents_of_two_processes_follow_the_losses_of_one_process(tmp_path):
    one = write_config(tmp_path / "one", CURVE.format(batch_size=8))
    check(run_tool("tools/train.py", one, "--work-dir", tmp_path / "one" / "run"))
    four = write_config(tmp_path / "four", CURVE.format(batch_size=2))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shared = dict(PATH=path, NNODES="2", PORT=str(free_port()), OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT))
    command = ["bash", "tools/dist_train.sh", str(four), "2", "--work-dir", str(tmp_path / "four" / "run")]
    agents = [
        subprocess.Popen(
            command, cwd=ROOT, env=os.environ | shared | dict(NODE_RANK=str(rank)), stdout=subprocess.DEVNULL
        )
        for rank in range(2)
    ]
    assert [agent.wait(300) for agent in agents] == [0, 0]
    expected, found = _curve(tmp_path / "one" / "run"), _curve(tmp_path / "four" / "run")
    assert len(expected) == len(found) == 18
    for row, same in zip(expected, found, strict=True):
        for name in ("loss", "loss_heatmap", "loss_pull", "loss_push", "grad_norm"):
            assert same[name] == pytest.approx(row[name], rel=1e-3), (name, row["step"])


CRASH = """
import os

from mmengine.hooks import Hook

from aemm.registry import HOOKS


@HOOKS.register_module()
class CrashHook(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.rank == 1 and runner.epoch == 1 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            os._exit(9)
"""


def test_processes_that_torchrun_starts_again_go_on_from_the_last_checkpoint(tmp_path):
    (tmp_path / "crash.py").write_text(CRASH)
    lines = ['custom_imports = dict(imports=["crash"])', 'custom_hooks = [dict(type="CrashHook")]']
    crashing = write_config(tmp_path / "crashing", "\n".join(["", *lines, ""]))
    options = ["--max-restarts=1", "--nproc-per-node=2", "--master-port", str(free_port())]
    command = [sys.executable, "-m", "torch.distributed.run", *options, "tools/train.py", str(crashing)]
    command += ["--launcher", "pytorch", "--resume", "auto", "--work-dir", str(tmp_path / "crashing" / "run")]
    env = os.environ | dict(OMP_NUM_THREADS="1", PYTHONPATH=f"{tmp_path}:{ROOT}")
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False)
    output = check(ended)
    assert "resumed epoch: 1" in output
    whole = write_config(tmp_path / "whole")
    check(run_tool("tools/dist_train.sh", whole, "2", "--work-dir", tmp_path / "whole" / "run", PORT=str(free_port())))
    one, two = (
        torch.load(tmp_path / name / "run" / "epoch_2.pth", weights_only=True)["state_dict"]
        for name in ("crashing", "whole")
    )
    assert difference(one, two) == 0
