"""One step of two published recipes from the golden networks' weights: head, losses and Adam written out as loops."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

from aemm.datasets import collate
from aemm.engine.convert import LAYOUTS, convert_state
from aemm.registry import MODELS, TRANSFORMS
from aemm.skeletons import SKELETONS
from aemm.structures import Sample
from tests.golden import checkpoint_of

CONFIGS = Path(__file__).resolve().parents[1] / "configs/pose"
STEPS = {
    "hourglass4_coco_512": ("net_newell_posenet", "newell"),
    "higherhrnet_w32_coco_512": ("net_higherhrnet_w32", "higherhrnet"),
}


def _batch(pipeline, side):
    """Images of three people, of nobody and of one, parts of them left out of the loss."""
    rng, items = np.random.default_rng(0), []
    for i, people in enumerate((3, 0, 1)):
        ignore = np.zeros((side, side), bool)
        ignore[side // 2 :, : side // 3] = True
        sample = Sample(
            image=rng.integers(0, 256, (side, side, 3), np.uint8),
            image_id=i,
            image_size=(side, side),
            keypoints=rng.uniform(-4, side + 4, (people, 17, 2)).astype(np.float32),
            visible=rng.integers(0, 3, (people, 17)),
            ignore=ignore,
            skeleton=SKELETONS["coco"],
        )
        items.append(TRANSFORMS.build(pipeline[-1])(sample))
    return collate(items)


def _block(x, part):
    """A residual block of two convolutions."""
    out = part.bn1(F.conv2d(x, part.conv1.weight, padding=1)).relu()
    return (x + part.bn2(F.conv2d(out, part.conv2.weight, padding=1))).relu()


def _stages_by_the_book(name, model, images):
    """``(B, 34 or 17, h, w)`` of every stage."""
    features = model.backbone(images)
    if name.startswith("hourglass"):
        return [maps[:, :34] for maps in features]
    head, x = model.head, features[0]
    coarse = F.conv2d(x, head.convs[0].weight, head.convs[0].bias)
    (deconv, norm, _), *blocks = head.deconvs[0]
    x = norm(F.conv_transpose2d(torch.cat([x, coarse], 1), deconv.weight, stride=2, padding=1)).relu()
    for block in blocks:
        x = _block(x, block)
    return [coarse, F.conv2d(x, head.convs[1].weight, head.convs[1].bias)]


def _grouping_by_the_book(tags, people):
    """Pull and push of one image: ``tags`` flat, ``people`` the places of each."""
    pull = push = tags.sum() * 0
    means = []
    for places in people:
        found = tags[[place for place in places if place >= 0]]
        means.append(found.mean())
        for tag in found:
            pull = pull + (tag - means[-1]) ** 2 / len(found) / len(people)
    for n, mean in enumerate(means):
        for m, other in enumerate(means):
            if n != m:
                push = push + torch.exp(-((mean - other) ** 2)) / (len(means) * (len(means) - 1)) / 2
    return pull, push


def _loss_by_the_book(name, stages, batch):
    """Detection + pull / 1000 + push / 1000; means over stages (the authors) or sums (HigherHRNet)."""
    total = 0
    for maps, target in zip(stages, batch.targets * (len(stages) // len(batch.targets)), strict=True):
        for b in range(len(batch)):
            error = (maps[b, :17] - target.heatmaps[b]) ** 2 * target.weight[b]
            total = total + error.sum() / error.numel() / len(batch)
            if maps.shape[1] > 17:
                people = [row for row in target.tag_index[b].tolist() if max(row) >= 0]
                for term in _grouping_by_the_book(maps[b, 17:34].flatten(), people):
                    total = total + 1e-3 * term / len(batch)
    return total / len(stages) if name.startswith("hourglass") else total


def _adam_by_the_book(model, rate):
    """First step of Adam, parameter by parameter."""
    with torch.no_grad():
        for value in model.parameters():
            first, second = (1 - 0.9) * value.grad, (1 - 0.999) * value.grad**2
            value -= rate * (first / (1 - 0.9)) / ((second / (1 - 0.999)).sqrt() + 1e-8)


@pytest.mark.golden
@pytest.mark.parametrize("name", STEPS)
def test_one_step_of_a_recipe_is_that_of_the_originals_rules(golden, name):
    file, layout = STEPS[name]
    cfg = Config.fromfile(CONFIGS / f"{name}.py")
    init_default_scope("aemm")
    cfg.model.backbone.init_cfg = None
    ours = MODELS.build(cfg.model)
    ours.load_state_dict(convert_state(checkpoint_of(np.load(golden / f"{file}.npz")), LAYOUTS[layout], ours))
    theirs = copy.deepcopy(ours).train()
    batch = _batch(cfg.train_dataloader.dataset.pipeline, 64)

    before = {key: value.clone() for key, value in ours.named_parameters()}
    grads = {}
    for key, value in ours.named_parameters():
        value.register_post_accumulate_grad_hook(lambda v, key=key: grads.update({key: v.grad.clone()}))
    logged = ours.train().train_step(batch, build_optim_wrapper(ours, cfg.optim_wrapper))

    prepared = theirs.data_preprocessor(batch, True)["batch"]
    loss = _loss_by_the_book(name, _stages_by_the_book(name, theirs, prepared.images[0]), prepared)
    loss.backward()
    _adam_by_the_book(theirs, cfg.optim_wrapper.optimizer.lr)

    assert logged["loss"].item() == pytest.approx(loss.item(), rel=1e-5)
    moved = dict(ours.named_parameters())
    for key, expected in theirs.named_parameters():
        away = (grads[key] - expected.grad).abs().max()
        largest = expected.grad.abs().max()
        assert away <= 1e-4 * largest, f"{key}: gradients differ by {away:.2e}, the largest is {largest:.2e}"
        clear = expected.grad.abs() > 0.01 * largest  # elsewhere rounding has a say in Adam's step, which is the sign
        step, step_by_the_book = (moved[key] - before[key])[clear], (expected - before[key])[clear]
        away = (step - step_by_the_book).abs().max()
        assert away <= 0.02 * cfg.optim_wrapper.optimizer.lr, f"{key}: steps differ by {away:.2e}"
