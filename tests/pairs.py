"""Pairs of truth and prediction, handed to a metric as a test run does."""

from collections.abc import Iterable

import numpy as np
import torch

from aemm.records import Instances, Truth
from aemm.structures import Batch


def batch_with(truths: Iterable[Truth]) -> Batch:
    """A batch of blank images that carries truths."""
    truths = list(truths)
    return Batch(
        images=[torch.zeros(len(truths), 3, 1, 1)],
        image_ids=[truth.image_id for truth in truths],
        image_sizes=[truth.image_size for truth in truths],
        warp=np.tile(np.eye(3), (len(truths), 1, 1)),
        truths=truths,
    )


def measured(metric, info, pairs: Iterable[tuple[Truth, Instances]]) -> dict[str, float]:
    """The figures of a metric over pairs that come one by one."""
    metric.dataset_meta = info
    pairs = list(pairs)
    for truth, found in pairs:
        metric.process(batch_with([truth]), [found])
    return metric.evaluate(len(pairs))
