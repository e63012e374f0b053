"""A config tried out before a training is started with it: everything built, one batch, one prediction."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import set_random_seed
from torch import nn

from aemm.engine.batch_size import fit_batch
from aemm.engine.config_file import explain
from aemm.engine.evaluate import build_metrics
from aemm.engine.schedule import describe_rates, learning_rates
from aemm.engine.switches import check_switches
from aemm.engine.trial_data import TrialLoader, is_absent, without_downloads
from aemm.engine.trial_slips import slips
from aemm.engine.trial_step import try_prediction, try_step, unused_faults
from aemm.evaluation.pairs import PairMetric
from aemm.formats.checkpoint import check_state, read_checkpoint, weights_of
from aemm.registry import MODELS
from aemm.structures import Sample
from aemm.visualization import draw_sample, save_picture, stack

_PICTURED = 4  # samples
_ASSUMED = 1000  # iterations of an epoch of data that are not there
_USERS = (ValueError, OSError, ImportError)


@dataclass(frozen=True)
class Plan:
    """How a training would be started.

    Attributes:
        processes: that train together.
        auto_batch: see :func:`aemm.engine.fit_batch`.
        scale_lr: likewise.
        picture: where the first batch is drawn; None = nowhere.
    """

    processes: int = 1
    auto_batch: bool = False
    scale_lr: bool = False
    picture: str | None = None


@dataclass
class Trial:
    """What came out.

    Attributes:
        facts: title and text, in order.
        faults: what is wrong.
        advice: what is allowed, and seldom meant.
    """

    facts: list[tuple[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Around a part of the trial: what it raises becomes a fault, and the trial goes on."""
        try:
            yield
        except Exception as error:  # parts of users raise anything
            text = str(error) if isinstance(error, _USERS) and str(error) else explain(error)
            self.faults.append(f"{name}: {text}")

    def tell(self, title: str, text: str) -> None:
        """Add a fact."""
        self.facts.append((title, text))


def try_config(cfg: Config, plan: Plan) -> Trial:
    """Try a checked config out; nothing is trained, and nothing is written but the picture.

    Data that cannot be read are a fault; drawn ones take their place, so that the rest is tried, too.

    Args:
        cfg: from :func:`aemm.engine.load_config`; batch and rate are changed as the plan says.
        plan: of the training.
    """
    trial = Trial()
    with trial.part("batch"):
        said = fit_batch(cfg, plan.processes, plan.auto_batch, plan.scale_lr)
        trial.tell("batch", said or "the config has no auto_scale_lr.base_batch_size, so nothing tells whether it fits")
    with trial.part("switches"):
        check_switches(cfg)
    set_random_seed(cfg.get("randomness", {}).get("seed") or 0)
    loaders, missing = dict[str, TrialLoader](), set[str]()
    for key in _loaders(cfg):
        with trial.part(key):
            loaders[key] = _load(cfg, key, plan, trial, missing)
    trial.faults += slips(cfg, {key: loader.info for key, loader in loaders.items() if key not in missing})
    model = _try_model(cfg, trial)
    if cfg.get("train_cfg") is not None:
        known = "train_dataloader" in loaders and "train_dataloader" not in missing
        _try_rates(cfg, trial, loaders["train_dataloader"].iterations if known else None)
    seconds = 0.0
    if "train_dataloader" in loaders:
        seconds = _try_training(cfg, plan, trial, loaders["train_dataloader"], model)
    for key in ("val_dataloader", "test_dataloader"):
        if key in loaders and model is not None:
            with trial.part(f"prediction ({key})"):
                _try_prediction(cfg, key, trial, loaders[key], model, seconds)
    return trial


def _loaders(cfg: Config) -> list[str]:
    """The keys of the loaders, without a test that is that of the validation."""
    keys = [key for key in ("train_dataloader", "val_dataloader", "test_dataloader") if cfg.get(key) is not None]
    copied = all(cfg.get(f"val_{part}") == cfg.get(f"test_{part}") for part in ("dataloader", "evaluator"))
    return [key for key in keys if not (copied and key == "test_dataloader" and "val_dataloader" in keys)]


def _load(cfg: Config, key: str, plan: Plan, trial: Trial, missing: set[str]) -> TrialLoader:
    """A loader; of drawn data, and its key among the ``missing``, if its own cannot be had."""
    with trial.part(key):
        loader = TrialLoader(cfg, key, plan.processes)
        kind = type(loader.dataset).__name__
        each = f"{loader.batch_size} a batch, {loader.iterations} iterations"
        trial.tell(key, f"{kind}, {loader.count} samples, {each} on each of {plan.processes}")
        return loader
    missing.add(key)
    drawn = TrialLoader(cfg, key, plan.processes, stand_in=True)
    trial.tell(key, f"drawn images stand in ({type(drawn.dataset).__name__})")
    return drawn


def _try_model(cfg: Config, trial: Trial) -> Any:
    """The model with its initial weights, or None."""
    with trial.part("model"):
        node, notes = without_downloads(cfg.model.to_dict())
        model: nn.Module = MODELS.build(node)
        trial.facts += [("weights", note) for note in notes]
        with trial.part("weights"), _quiet():
            model.init_weights()  # type: ignore[operator]
        total, trained = (sum(p.numel() for p in some) for some in (model.parameters(), _trained(model)))
        parts = ", ".join(
            f"{name} {sum(p.numel() for p in part.parameters()):,}"
            for name, part in model.named_children()
            if any(True for _ in part.parameters())
        )
        trial.tell("model", f"{total:,} parameters, {trained:,} of them trained: {parts}")
        if cfg.get("load_from") and not is_absent(cfg.load_from):
            with trial.part("load_from"):
                _try_weights(cfg, model)
        return model
    return None


def _try_weights(cfg: Config, model: nn.Module) -> None:
    """See that ``load_from`` can be read, and fits unless the training takes what fits."""
    state = weights_of(read_checkpoint(cfg.load_from), cfg.load_from)
    if not ((cfg.get("default_hooks") or {}).get("safe_checkpoint") or {}).get("partial"):
        check_state(model, state, cfg.load_from)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the line of each weight that mmengine logs."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _trained(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _try_rates(cfg: Config, trial: Trial, epoch: int | None) -> None:
    """The learning rate over the training."""
    with trial.part("learning rate"):
        if "optimizer" not in cfg.optim_wrapper:
            trial.tell("learning rate", "not followed: there are several optimizers")
            return
        iterations = epoch or _ASSUMED
        lines = describe_rates(learning_rates(cfg, iterations), iterations)
        assumed = "" if epoch else f" (of epochs of {_ASSUMED} iterations, since the data are not there)"
        trial.tell("learning rate", "\n".join([f"{len(lines)} values of its curve{assumed}", *lines]))


def _try_training(cfg: Config, plan: Plan, trial: Trial, loader: TrialLoader, model: Any) -> float:
    """A batch, its picture, and a step with it; the seconds that a pixel takes, 0 if no step was made."""
    samples: list[Sample] = []
    with trial.part("train_dataloader"):
        samples = loader.samples(min(loader.batch_size, loader.count))
        first = samples[0]
        sizes = ", ".join(f"{t.size[1]} x {t.size[0]}" for t in first.targets)
        height, width = first.image.shape[:2]
        trial.tell("first batch", f"images of {width} x {height} pixels, maps of {sizes or 'no'} cells")
    if samples and plan.picture is not None:
        with trial.part("picture"):
            save_picture(plan.picture, stack([draw_sample(sample) for sample in samples[:_PICTURED]]))
            trial.tell("picture", f"of the first {len(samples[:_PICTURED])} samples with their targets: {plan.picture}")
    if samples and model is not None and cfg.get("optim_wrapper") is not None:
        with trial.part("loss"):
            step = try_step(cfg, model, loader, samples)
            trial.facts += step.describe(loader.batch_size, samples[0].image.shape[:2])
            trial.faults += step.faults()
            faults, advice = unused_faults(step.unused, cfg, plan.processes)
            trial.faults += faults
            trial.advice += advice
            return step.seconds / step.pixels
    return 0.0


def _try_prediction(cfg: Config, key: str, trial: Trial, loader: TrialLoader, model: Any, seconds: float) -> None:
    """What is found in one image, held against what the metrics need; ``seconds`` are those of a pixel's training."""
    batch, found, seen = try_prediction(model, loader, seconds)
    trial.tell("prediction", f"{key}: {len(found[0])} instances in {seen} of image {found[0].image_id}")
    for metric in build_metrics(cfg.get(key.replace("dataloader", "evaluator")), loader.info):
        if isinstance(metric, PairMetric):
            metric.process(batch, found)
