"""Configs and models of the recipes, by name, from any folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn

from aemm.engine import load_config
from aemm.engine.launch import build_model


def get_config(name: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """The checked config of a recipe, or of a file.

    Args:
        name: of a recipe, such as ``pose/hrnet_w32_coco_512``, its stem where no other folder has it, or a path.
        options: dotted keys and values that override it, as ``--cfg-options`` does.

    Raises:
        FileNotFoundError: there is neither; the message names the nearest recipes.
        ValueError: several recipes have this name.
        ConfigError: the config or an override has faults.

    >>> get_config("hrnet_w32_coco_512").model.backbone.type
    'HRNet'
    """
    return load_config(str(name), options)


def get_model(name: str | Path, options: Mapping[str, Any] | None = None) -> nn.Module:
    """The model of a recipe, or of a config file, as it starts, without published weights.

    Args:
        name: see :func:`get_config`.
        options: see :func:`get_config`.

    Raises:
        FileNotFoundError: there is neither; the message names the nearest recipes.
        ValueError: several recipes have this name.
        ConfigError: the config or an override has faults, or it has no model.
    """
    return build_model(str(name), options)
