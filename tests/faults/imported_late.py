"""What a training imports late: imported here, it is there before a process is forked."""

import hotcoco  # noqa: F401
import matplotlib.pyplot as plt  # noqa: F401
import torch._dynamo  # noqa: F401

from aemm.registry import DATASETS, HOOKS, METRICS, MODELS

for registry in (DATASETS, HOOKS, METRICS, MODELS):
    registry.import_from_location()
