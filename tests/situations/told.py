"""Situations by their names, and ways to tell what became of one."""

import logging
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from mmengine.logging import MMLogger

from aemm.cli.outcome import is_users
from aemm.datasets import CocoInstanceDataset, CocoPoseDataset
from aemm.evaluation import CocoInstanceMetric, CocoMetric
from aemm.ops import pixels
from tests.annotations import write
from tests.fuzz.loaders import perfect
from tests.pairs import measured

MESSAGES: list[str] = []
"""All errors and warnings so far."""
SITUATIONS: dict[str, Callable[[Path], str]] = {}


def situation(name):
    """Register what draws and tries a situation, and tells what became of it."""

    def register(act):
        assert name not in SITUATIONS, name
        SITUATIONS[name] = act
        return act

    return register


@contextmanager
def said():
    """The texts of all warnings within, from the log too."""
    texts: list[str] = []
    logger = MMLogger.get_current_instance()
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: texts.append(record.getMessage())
    logger.addHandler(handler)
    pixels._SAID.clear()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield texts
        texts += [str(one.message) for one in caught if one.category is UserWarning]
    finally:
        logger.removeHandler(handler)


def told(act):
    """What an act returns and warns of, or the message of an error that is the user's."""
    try:
        with said() as texts:
            outcome = act()
    except (ValueError, OSError) as error:
        if not is_users(error):
            raise
        MESSAGES.append(str(error))
        return str(error)
    MESSAGES.extend(texts)
    return "\n".join([str(outcome), *texts])


def figures_of(dataset, metric):
    """AP of the truth as a result."""
    truths = [dataset[n].truth for n in range(len(dataset))]
    figures = measured(metric, dataset.metainfo, [(truth, perfect(truth)) for truth in truths])
    (ap,) = (value for name, value in figures.items() if name.endswith("/AP"))
    return f"AP {ap:.0f}, {len(dataset)} images"


def people(folder, data, name="people.json", images=True, **options):
    """What becomes of a keypoint file with its own keypoints as result."""
    write(folder, data, name, images)
    options = dict(test_mode=True) | options
    return told(lambda: figures_of(CocoPoseDataset(name, "", str(folder), **options), CocoMetric()))


def instances(folder, data):
    """What becomes of a file of masks with its own masks as result."""
    write(folder, data)
    return told(
        lambda: figures_of(CocoInstanceDataset("people.json", "", str(folder), test_mode=True), CocoInstanceMetric())
    )
