"""What mmengine lacks: safe checkpoints, trainings that survive, checked configs, a watch over the tags."""

from aemm.engine.bad_samples import BadSamplesHook
from aemm.engine.batch_size import fit_batch
from aemm.engine.checkpoint import SafeCheckpointHook
from aemm.engine.checkpoint_hook import CheckpointHook
from aemm.engine.config import load_config, set_views
from aemm.engine.config_check import ConfigError, check_config
from aemm.engine.dump import DumpHook
from aemm.engine.early_stopping import EarlyStoppingHook, StopEarlyHook
from aemm.engine.finite import FiniteHook, NonFiniteError, check_finite
from aemm.engine.launch import (
    build_runner,
    check_device,
    count_processes,
    require,
    set_dump,
    set_report,
    set_seed,
    set_show,
    set_work_dir,
)
from aemm.engine.logger_hook import LoggerHook
from aemm.engine.loops import EpochBasedTrainLoop, IterBasedTrainLoop
from aemm.engine.mixed_precision import AmpOptimWrapper, use_mixed_precision
from aemm.engine.optim_wrapper import OptimWrapper
from aemm.engine.prediction import UNTHINNED, PredictionHook, Speed, Thinning, prepare_model, set_prediction
from aemm.engine.report import ReportHook
from aemm.engine.run_visualizer import RunVisualizer
from aemm.engine.runtime_info import RuntimeInfoHook
from aemm.engine.show import ShowHook
from aemm.engine.statistics import SharedStatisticsHook
from aemm.engine.tag_collapse import TagCollapseHook
from aemm.engine.visualization import VisualizationHook
from aemm.formats.checkpoint import CheckpointError, load_weights, read_checkpoint

__all__ = [
    "UNTHINNED",
    "AmpOptimWrapper",
    "BadSamplesHook",
    "CheckpointError",
    "CheckpointHook",
    "ConfigError",
    "DumpHook",
    "EarlyStoppingHook",
    "EpochBasedTrainLoop",
    "FiniteHook",
    "IterBasedTrainLoop",
    "LoggerHook",
    "NonFiniteError",
    "OptimWrapper",
    "PredictionHook",
    "ReportHook",
    "RunVisualizer",
    "RuntimeInfoHook",
    "SafeCheckpointHook",
    "SharedStatisticsHook",
    "ShowHook",
    "Speed",
    "StopEarlyHook",
    "TagCollapseHook",
    "Thinning",
    "VisualizationHook",
    "build_runner",
    "check_config",
    "check_device",
    "check_finite",
    "count_processes",
    "fit_batch",
    "load_config",
    "load_weights",
    "prepare_model",
    "read_checkpoint",
    "require",
    "set_dump",
    "set_prediction",
    "set_report",
    "set_seed",
    "set_show",
    "set_views",
    "set_work_dir",
    "use_mixed_precision",
]
