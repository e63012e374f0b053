import logging

import pytest
from mmengine.config import Config
from mmengine.logging import MMLogger

from aemm.engine import CheckpointHook, build_runner, load_config, require, set_dump, set_seed, set_show, set_work_dir
from aemm.engine.console import file_only, survive_closed_console
from aemm.engine.launch import check_device, count_processes
from tests.end_to_end import write_config


def test_the_work_dir_is_named_after_the_config(tmp_path, monkeypatch):
    path = "configs/synthetic/pose_hourglass_tiny_128.py"
    cfg = load_config(path)
    monkeypatch.chdir(tmp_path)
    set_work_dir(cfg, path, None)
    assert cfg.work_dir == "work_dirs/pose_hourglass_tiny_128"
    assert (tmp_path / cfg.work_dir).is_dir()


def test_a_config_that_lacks_what_a_command_reads_is_refused():
    cfg = Config(dict(model=dict(type="Embedder"), test_cfg=None))
    require(cfg, ("model",), "be drawn")
    with pytest.raises(ValueError, match="lacks test_cfg, test_evaluator, without which it cannot be evaluated"):
        require(cfg, ("model", "test_cfg", "test_evaluator"), "be evaluated")


def test_a_seed_needs_no_randomness_in_the_config():
    cfg = Config(dict(randomness=dict(seed=1, deterministic=True)))
    set_seed(cfg, None)
    assert cfg.randomness.seed == 1
    set_seed(cfg, 0)
    assert cfg.randomness == dict(seed=0, deterministic=True)
    bare = Config({})
    set_seed(bare, 7)
    assert bare.randomness.seed == 7


COCO, MPII = dict(type="CocoMetric"), dict(type="MpiiMetric", keep_margin=None)


@pytest.mark.parametrize(
    ("evaluator", "more"),
    [
        (COCO, {}),
        ([COCO, MPII], {"keep_margin": None}),
        (dict(type="Evaluator", metrics=[COCO, COCO]), {}),
        (dict(type="Evaluator", metrics=MPII), {"keep_margin": None}),
    ],
)
def test_a_hook_writes_the_predictions_whatever_measures_them(evaluator, more):
    cfg = Config(dict(test_evaluator=evaluator, custom_hooks=[dict(type="TagCollapseHook")]))
    set_dump(cfg, "found.json")
    assert cfg.custom_hooks[1:] == [dict(type="DumpHook", path="found.json", **more)]


def test_a_file_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"must name a \.json file .* or a \.mat file .*, got 'found.pkl'"):
        set_dump(Config(dict(test_evaluator=COCO)), "found.pkl")


def test_pictures_come_by_a_hook_beside_those_of_the_config():
    cfg = Config(dict(custom_hooks=[dict(type="TagCollapseHook")]))
    set_show(cfg, "pictures", 3)
    assert [hook["type"] for hook in cfg.custom_hooks] == ["TagCollapseHook", "ShowHook"]
    bare = Config(dict(custom_hooks=None))
    set_show(bare, "pictures", 3)
    assert bare.custom_hooks == [dict(type="ShowHook", folder="pictures", limit=3)]


def test_a_device_that_is_not_there_is_refused():
    check_device(None)
    check_device("cpu")
    for name in ("toaster", "cuda:99", "meta"):
        with pytest.raises(ValueError, match=f"--device {name} cannot be used"):
            check_device(name)


@pytest.mark.parametrize(("launcher", "lacks"), [("pytorch", "RANK"), ("slurm", "SLURM_PROCID")])
def test_a_launcher_that_did_not_start_this_process_is_named(launcher, lacks, monkeypatch):
    monkeypatch.delenv(lacks, raising=False)
    with pytest.raises(ValueError, match=rf"--launcher {launcher}: the environment lacks {lacks}.*start by tools/"):
        build_runner(Config({}), launcher)


def test_the_model_is_on_the_device_that_was_asked_for(tmp_path, monkeypatch):
    cfg = load_config(str(write_config(tmp_path)))
    set_work_dir(cfg, "small.py", str(tmp_path / "run"))
    runner = build_runner(cfg, device="meta")
    assert {value.device.type for value in runner.model.parameters()} == {"meta"}
    monkeypatch.setattr("aemm.engine.launch.count_processes", lambda launcher: 1)
    with pytest.raises(ValueError, match="device cpu is for a single process"):
        build_runner(cfg, "pytorch", device="cpu")


def test_the_console_is_spared_the_pages_that_the_log_file_holds(tmp_path, capsys):
    cfg = load_config(str(write_config(tmp_path)))
    cfg.experiment_name = "console"  # else a logger of the same second would be used again, with its stream
    set_work_dir(cfg, "small.py", str(tmp_path / "run"))
    runner = build_runner(cfg)
    next(hook for hook in runner.hooks if isinstance(hook, CheckpointHook)).before_train(runner)
    runner.logger.info("after the start")
    shown = capsys.readouterr().out
    assert [line.partition(" - INFO - ")[2].split(":")[0] for line in shown.splitlines()] == [
        "environment, config and the whole log",
        "after the start",
    ]
    (log,) = (tmp_path / "run").glob("*/*.log")
    written = log.read_text()
    for part in ("System environment:", "HourglassAE", "(BELOW_NORMAL) LoggerHook", "FileClient", "after the start"):
        assert part in written
        assert part not in shown or part == "after the start"


def test_warnings_reach_the_console_even_while_it_is_quiet(capsys, tmp_path):
    logger = MMLogger("quiet", log_file=str(tmp_path / "all.log"))
    with file_only(logger):
        logger.info("a page")
        logger.warning("look here")
    logger.info("as before")
    shown = capsys.readouterr().out
    assert "a page" not in shown
    assert "look here" in shown
    assert "as before" in shown
    assert "a page" in (tmp_path / "all.log").read_text()


def test_a_log_outlives_its_console(capsys, tmp_path):
    class Closed:
        def write(self, text):
            raise BrokenPipeError

        def flush(self):
            pass

    logger = MMLogger("closed", log_file=str(tmp_path / "all.log"))
    survive_closed_console(logger)
    (console,) = [handler for handler in logger.handlers if not isinstance(handler, logging.FileHandler)]
    console.setStream(Closed())
    logger.info("first")
    logger.error("second")
    assert capsys.readouterr().err == ""
    written = (tmp_path / "all.log").read_text()
    assert "first" in written
    assert "second" in written


def test_processes_are_counted_before_they_meet(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("SLURM_NTASKS", "16")
    assert [count_processes(launcher) for launcher in ("none", "pytorch", "slurm")] == [1, 8, 16]
    monkeypatch.delenv("WORLD_SIZE")
    with pytest.raises(ValueError, match="--launcher pytorch: the environment lacks WORLD_SIZE"):
        count_processes("pytorch")
