"""What prediction and testing do otherwise than a config says: a faster network, a thinned-out result."""

from __future__ import annotations

import contextlib
import inspect
import shutil
import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from aemm.engine.config_check import ConfigError
from aemm.engine.folding import fold_norms
from aemm.models.layers import compile_around_recomputing
from aemm.registry import HOOKS, POSTPROCESSORS
from aemm.structures import Maps

Nms = Literal["hard", "soft", "off"]


@dataclass(frozen=True)
class Speed:
    """How a network is run; none of it changes what it finds but by rounding.

    Attributes:
        half: in bfloat16, on GPUs that lack it in float16.
        compile: by ``torch.compile``, or with these options of it.
        fuse: with its batch norms folded into the convolutions before them.
        channels_last: with images and weights as NHWC in memory; None = as the config says.

    Raises:
        ConfigError: a field is no switch, or ``compile`` needs a compiler that is not there.
    """

    half: bool = False
    compile: bool | dict[str, Any] = False
    fuse: bool = False
    channels_last: bool | None = None

    def __post_init__(self) -> None:
        """See that it can be done."""
        for name in ("half", "fuse", "channels_last"):
            value = getattr(self, name)
            if not isinstance(value, bool) and (value is not None or name != "channels_last"):
                raise ConfigError(f"{name} must be True or False, got {value!r}")
        if not isinstance(self.compile, bool | dict):
            raise ConfigError(f"compile must be True, False or options of torch.compile, got {self.compile!r}")
        options = self.compile if isinstance(self.compile, dict) else {}
        known = inspect.signature(torch.compile).parameters.keys() - {"model"}
        if unknown := sorted(options.keys() - known):
            raise ConfigError(f"compile: torch.compile has no option {unknown[0]!r}; it has {', '.join(sorted(known))}")
        compiles = self.compile and options.get("backend", "inductor") == "inductor" and not torch.cuda.is_available()
        if compiles and not any(map(shutil.which, ("g++", "clang++"))):
            raise ConfigError("compile needs a C++ compiler (g++ or clang++) on a CPU; there is none on the PATH")


@dataclass(frozen=True)
class Thinning:
    """What leaves a result.

    Attributes:
        nms: of instances that lie on each other 'hard' keeps the best, 'soft' lowers the scores of the others, 'off'
            keeps all; see :class:`aemm.postprocess.OksNms` and :class:`aemm.postprocess.MaskNms`.
        nms_threshold: from which overlap on; None = 0.7 for poses, 0.5 for masks.
        min_score: instances below it leave.
        min_keypoint_score: keypoints below it become absent.

    Raises:
        ConfigError: a field is out of range.
    """

    nms: Nms = "hard"
    nms_threshold: float | None = None
    min_score: float = 0.1
    min_keypoint_score: float = 0.0

    def __post_init__(self) -> None:
        """Check every field."""
        if self.nms not in get_args(Nms):
            raise ConfigError(f"nms must be one of {', '.join(get_args(Nms))}, got {self.nms!r}")
        for name in ("nms_threshold", "min_score", "min_keypoint_score"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int | float) or not 0 <= value <= 1):
                raise ConfigError(f"{name} must be a number from 0 to 1, got {value!r}")

    def steps(self, decoder: Any) -> list[Any]:
        """The postprocessors that do it.

        Args:
            decoder: of the model; without a ``skeleton`` it makes masks.
        """
        steps: list[dict[str, Any]] = []
        if self.nms != "off":
            skeleton = getattr(decoder, "skeleton", None)
            kind = dict(type="MaskNms") if skeleton is None else dict(type="OksNms", skeleton=skeleton)
            threshold = {} if self.nms_threshold is None else dict(threshold=self.nms_threshold)
            steps.append(dict(**kind, **threshold, soft=self.nms == "soft"))
        if self.min_score or self.min_keypoint_score:
            steps.append(dict(type="MinScore", instances=self.min_score, keypoints=self.min_keypoint_score))
        return [POSTPROCESSORS.build(step) for step in steps]


_AS_IT_IS = Speed()
UNTHINNED = Thinning("off", None, 0.0, 0.0)


class FastNetwork:
    """Backbone and head of a model, run as :class:`Speed` says.

    Args:
        model: an :class:`aemm.models.Embedder`, which stays as it is.
        speed: how to run it.
    """

    def __init__(self, model: Any, speed: Speed) -> None:
        self.backbone, self.head = model.backbone, model.head
        self.half, self.to_fold = speed.half, speed.fuse
        if speed.fuse:
            # a test prepares the model before it turns it to evaluation
            self.backbone, self.head = deepcopy(self.backbone).eval(), deepcopy(self.head).eval()
        self.run = self._plain
        if speed.compile:
            compile_around_recomputing()
            self.run = torch.compile(self._plain, **(speed.compile if isinstance(speed.compile, dict) else {}))

    def __call__(self, image: Tensor) -> Maps:
        """The maps that are decoded, of images ``(B, 3, H, W)``, in float32."""
        if self.to_fold:
            self.to_fold = False
            if not fold_norms(self._plain, (self.backbone, self.head), image):
                warnings.warn("fuse changes nothing: no batch norm of this network follows a convolution")
        with self._precision(image.device.type):
            return self.run(image).float()

    def _plain(self, image: Tensor) -> Maps:
        return self.head.predict(self.head(self.backbone(image)))

    def _precision(self, device: str) -> contextlib.AbstractContextManager[Any]:
        if not self.half:
            return contextlib.nullcontext()
        short = device != "cuda" or torch.cuda.is_bf16_supported()
        return torch.autocast(device, torch.bfloat16 if short else torch.float16)


def prepare_model(model: Any, speed: Speed, thinning: Thinning) -> None:
    """Have a model predict as it was asked to; its weights stay as they are.

    Args:
        model: an :class:`aemm.models.Embedder` on its device.
        speed: of its network.
        thinning: of its results, before its own postprocessors see them.
    """
    if speed.channels_last is not None:
        model.data_preprocessor.channels_last = speed.channels_last
        model.to(memory_format=torch.channels_last if speed.channels_last else torch.contiguous_format)
    if speed.half or speed.compile or speed.fuse:
        model.network = FastNetwork(model, speed)
    model.postprocessors = [*thinning.steps(model.decoder), *model.postprocessors]


@HOOKS.register_module()
class PredictionHook(Hook):
    """Have a test predict as the command line asks; validation and the weights stay as they are.

    Args:
        speed: fields of :class:`Speed`.
        thinning: fields of :class:`Thinning`.
    """

    priority = "VERY_LOW"  # after averaged weights have taken their place

    def __init__(self, speed: dict[str, Any], thinning: dict[str, Any]) -> None:
        self.speed, self.thinning = Speed(**speed), Thinning(**thinning)
        self._before: Sequence[Any] = ()

    def before_test_epoch(self, runner: Runner) -> None:
        """Prepare the model."""
        model = _bare(runner)
        self._before = model.postprocessors
        prepare_model(model, self.speed, self.thinning)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Leave the model as it was."""
        model = _bare(runner)
        model.postprocessors = self._before
        vars(model).pop("network", None)


def _bare(runner: Runner) -> Any:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def set_prediction(
    cfg: Config, speed: Speed = _AS_IT_IS, thinning: Thinning = UNTHINNED, batch_size: int | None = None
) -> None:
    """Choose how the test of a config predicts, in place.

    Args:
        cfg: a loaded config.
        speed: of the network.
        thinning: of the results.
        batch_size: images that go through the network together; None = as the config says.

    Raises:
        ConfigError: the test's loader makes batches in a way of its own.
    """
    if batch_size is not None:
        if cfg.test_dataloader.get("batch_sampler") is not None:
            raise ConfigError("batch_size: test_dataloader.batch_sampler makes the batches; leave one of them out")
        cfg.test_dataloader["batch_size"] = batch_size
    if (speed, thinning) != (_AS_IT_IS, UNTHINNED):
        hook = dict(type="PredictionHook", speed=asdict(speed), thinning=asdict(thinning))
        cfg.custom_hooks = [*(cfg.get("custom_hooks") or ()), hook]
