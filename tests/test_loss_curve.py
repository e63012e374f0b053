"""The losses of the first steps under a fixed seed: a pure refactor leaves them as they are."""

import numpy as np
import pytest
import torch

from aemm.datasets import collate
from aemm.datasets.transforms import PoseTargets
from aemm.models import Embedder
from aemm.skeletons import build_skeleton
from aemm.structures import Sample

SKELETON = build_skeleton(dict(keypoints=["left", "right", "top"], sigmas=[0.1] * 3))
CURVE = {
    "loss_heatmap": [0.0615321, 0.0484318, 0.0452831, 0.0580735],
    "loss_pull": [2.47448e-05, 2.25337e-05, 6.85001e-05, 0.000142968],
    "loss_push": [0.000499999, 0.000499982, 0.000499151, 0.00049834],
}


def _batch():
    """Two noisy images of 64 px with two and three people."""
    rng = np.random.default_rng(0)
    items = []
    for i, people in enumerate((2, 3)):
        sample = Sample(
            image=rng.integers(0, 256, (64, 64, 3), np.uint8),
            image_id=i,
            image_size=(64, 64),
            keypoints=rng.uniform(4, 60, (people, 3, 2)).astype(np.float32),
            visible=np.full((people, 3), 2),
            skeleton=SKELETON,
        )
        items.append(PoseTargets(strides=(4,), sigma=1.0, style="unbiased")(sample))
    return collate(items)


def _losses(steps):
    torch.manual_seed(0)
    model = Embedder(
        backbone=dict(type="HourglassAE", out_channels=6, stacks=2, width=8, growth=4, depth=2, stem=(4, 8, 8)),
        head=dict(type="AEHead", num_heatmaps=3, project=False),
        decoder=dict(type="PoseDecoder", skeleton=SKELETON.to_dict()),
    ).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    batch, curve = _batch(), {name: [] for name in CURVE}
    for _ in range(steps):
        losses = model(**model.data_preprocessor(batch, True), mode="loss")
        optimizer.zero_grad()
        sum(losses[name] for name in CURVE).backward()
        optimizer.step()
        for name, values in curve.items():
            values.append(losses[name].item())
    return curve


def test_the_first_losses_are_those_of_always():
    curve = _losses(4)
    for name, expected in CURVE.items():
        assert curve[name] == pytest.approx(expected, rel=2e-3), name
