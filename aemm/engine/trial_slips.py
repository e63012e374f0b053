"""Slips that no error tells of: settings that fit each other in form, and not in what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from aemm.engine.config_training import evaluator_metrics
from aemm.records import DatasetInfo

_SAMPLERS = ("SeededSampler", "DefaultSampler")
_BY_OKS = ("CocoMetric", "CrowdPoseMetric")


def slips(cfg: Config, infos: Mapping[str, DatasetInfo]) -> list[str]:
    """The slips of a checked config.

    Args:
        cfg: the config.
        infos: of the data sets that could be built, by the key of their loader.
    """
    return [*_doubled_samples(cfg), *_sigmas(cfg, infos), *_never_validated(cfg)]


def _doubled_samples(cfg: Config) -> Iterator[str]:
    """Evaluation that sees images twice."""
    for key in ("val_dataloader", "test_dataloader"):
        sampler = (cfg.get(key) or {}).get("sampler") or {}
        kind = str(sampler.get("type", "")).rpartition(".")[2]
        if kind in _SAMPLERS and sampler.get("round_up", True):
            yield (
                f"{key}.sampler.round_up: several processes would see images twice, until each has as many; set "
                "round_up=False"
            )


def _sigmas(cfg: Config, infos: Mapping[str, DatasetInfo]) -> Iterator[str]:
    """OKS by constants that somebody filled in."""
    for part in ("val", "test"):
        info = infos.get(f"{part}_dataloader")
        for path, node in evaluator_metrics(cfg.get(f"{part}_evaluator"), f"{part}_evaluator"):
            if str(_of(node, "type")).rpartition(".")[2] not in _BY_OKS or info is None or info.skeleton is None:
                continue
            sigmas = _of(node, "sigmas") or info.skeleton.sigmas
            if len(sigmas) > 2 and len(set(sigmas)) == 1:
                yield (
                    f"{path}: all {len(sigmas)} sigmas of skeleton {info.skeleton.name!r} are {sigmas[0]}; OKS is no "
                    "measure then, for an eye is located more exactly than a hip. Take those of similar keypoints of "
                    "COCO: 0.025 for an eye to 0.107 for a hip"
                )


def _of(node: Any, key: str) -> Any:
    return node.get(key) if isinstance(node, Mapping) else None


def _never_validated(cfg: Config) -> Iterator[str]:
    """A validation that is configured, and never comes."""
    loop = cfg.get("train_cfg") or {}
    length, every = loop.get("max_epochs") or loop.get("max_iters"), loop.get("val_interval", 1)
    if cfg.get("val_cfg") is not None and length is not None and every > length:
        yield f"train_cfg.val_interval: {every} is more than the {length} of the training, so it is never validated"
