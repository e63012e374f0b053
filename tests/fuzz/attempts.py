"""Inputs of every loader, broken at random: each loads right, or ends in the error that is documented for it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from mmengine.logging import MMLogger

from aemm.cli.outcome import is_users
from aemm.engine.config_check import ConfigError
from tests.fuzz.configs import load_config_dict, load_config_file
from tests.fuzz.labels import load_labels
from tests.fuzz.loaders import (
    OF_FILES,
    load_crowdpose,
    load_instances,
    load_keypoints,
    load_mpii,
    load_skeleton,
    load_voc,
)
from tests.fuzz.matlab import load_matlab
from tests.fuzz.mutation import Draw

LOADERS: dict[str, tuple[Callable[[Path, Draw], None], tuple[type[Exception], ...]]] = {
    "keypoints": (load_keypoints, OF_FILES),
    "instances": (load_instances, OF_FILES),
    "mpii": (load_mpii, OF_FILES),
    "crowdpose": (load_crowdpose, OF_FILES),
    "voc": (load_voc, OF_FILES),
    "labels": (load_labels, OF_FILES),
    "matlab": (load_matlab, (ValueError,)),
    "skeleton": (load_skeleton, (ValueError,)),
    "config": (load_config_dict, (ConfigError,)),
    "config file": (load_config_file, (ConfigError, FileNotFoundError)),
}


def attempt(name: str, folder: Path, draw: Draw) -> bool:
    """Break an input and load it; whether it loaded.

    Raises:
        Exception: any but those that are documented.
    """
    load, documented = LOADERS[name]
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        load(folder, draw)
    except documented as error:
        if not is_users(error):
            raise
        return False
    finally:
        logger.setLevel(level)
    return True
