"""What mmengine lacks: safe checkpoints, trainings that survive, checked configs, a watch over the tags."""

from aemm.engine.checkpoint import SafeCheckpointHook
from aemm.engine.checkpoint_hook import CheckpointHook
from aemm.engine.config_check import ConfigError, check_config
from aemm.engine.launch import build_runner, load_config, run, set_work_dir, use_mixed_precision
from aemm.engine.logger_hook import LoggerHook
from aemm.engine.loops import EpochBasedTrainLoop, IterBasedTrainLoop
from aemm.engine.show import ShowHook
from aemm.engine.tag_collapse import TagCollapseHook
from aemm.formats.checkpoint import CheckpointError, load_weights, read_checkpoint

__all__ = [
    "CheckpointError",
    "CheckpointHook",
    "ConfigError",
    "EpochBasedTrainLoop",
    "IterBasedTrainLoop",
    "LoggerHook",
    "SafeCheckpointHook",
    "ShowHook",
    "TagCollapseHook",
    "build_runner",
    "check_config",
    "load_config",
    "load_weights",
    "read_checkpoint",
    "run",
    "set_work_dir",
    "use_mixed_precision",
]
