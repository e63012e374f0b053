"""What mmengine lacks: safe checkpoints, checked configs, a watch over the tags."""

from aemm.engine.checkpoint import CheckpointError, SafeCheckpointHook, read_checkpoint
from aemm.engine.config import load_config, set_views
from aemm.engine.config_check import ConfigError, check_config
from aemm.engine.dump import DumpHook
from aemm.engine.launch import (
    build_runner,
    check_device,
    require,
    set_dump,
    set_seed,
    set_show,
    set_work_dir,
    use_mixed_precision,
)
from aemm.engine.show import ShowHook
from aemm.engine.tag_collapse import TagCollapseHook

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DumpHook",
    "SafeCheckpointHook",
    "ShowHook",
    "TagCollapseHook",
    "build_runner",
    "check_config",
    "check_device",
    "load_config",
    "read_checkpoint",
    "require",
    "set_dump",
    "set_seed",
    "set_show",
    "set_views",
    "set_work_dir",
    "use_mixed_precision",
]
