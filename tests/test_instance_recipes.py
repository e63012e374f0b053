"""Every recipe of instance segmentation builds, takes a training step and gives masks."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from aemm.datasets import SyntheticInstanceDataset, collate
from aemm.engine import load_config, set_views
from aemm.records import DatasetInfo
from aemm.registry import METRICS, MODELS, TRANSFORMS
from tests.pairs import batch_with

ROOT = Path(__file__).resolve().parents[1]
RECIPES = sorted([*(ROOT / "configs/instance").glob("*.py"), ROOT / "configs/synthetic/instance_hourglass_tiny_128.py"])


def _small(cfg):
    """The model of a recipe, as narrow as its parts allow and without weights from elsewhere."""
    narrow = dict(width=8, growth=8, stacks=1) if cfg.model.backbone.type == "HourglassAE" else dict(width=8)
    cfg.merge_from_dict(dict(model=dict(backbone=dict(narrow, init_cfg=None))))
    return MODELS.build(cfg.model)


def _samples(pipeline, classes):
    samples = []
    for sample in (SyntheticInstanceDataset(2, 128, shapes=(2, 3))[i] for i in range(2)):
        sample.labels = sample.labels % classes
        for step in pipeline:
            sample = TRANSFORMS.build(step)(sample)
        samples.append(sample)
    return collate(samples)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_trains_a_step_and_gives_masks_its_metrics_take(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    torch.manual_seed(0)
    cfg = load_config(str(path))
    model, classes = _small(cfg), cfg.model.decoder.num_classes
    assert model.head.num_heatmaps == classes
    batch = _samples(cfg.train_dataloader.dataset.pipeline, classes)
    losses = model(**model.data_preprocessor(batch, True), mode="loss")
    total = sum(value for name, value in losses.items() if "loss" in name)
    total.backward()
    assert {"loss_heatmap", "loss_pull", "loss_push"} <= losses.keys()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)

    model.eval()
    model.decoder.threshold = 1e-6  # an untrained network is sure of nothing
    test_pipeline = cfg.val_dataloader.dataset.get("pipeline", [])
    batch = _samples(test_pipeline, classes)
    with torch.no_grad():
        found = model(**model.data_preprocessor(batch), mode="predict")
    assert [instances.image_size for instances in found] == [(128, 128)] * 2
    evaluators = cfg.val_evaluator if isinstance(cfg.val_evaluator, list) else [cfg.val_evaluator]
    names = []
    for evaluator in evaluators:
        metric = METRICS.build(evaluator)
        names += [metric.prefix]
        drawn = SyntheticInstanceDataset(2, 128, shapes=(2, 3), test_mode=True)
        truths = [replace(drawn.load(i).truth, labels=drawn.load(i).truth.labels % classes) for i in range(2)]
        every = tuple(f"class {n}" for n in range(classes))
        metric.dataset_meta = DatasetInfo("drawn", None, every, tuple(range(1, classes + 1)))
        metric.process(batch_with(truths), found)
        assert all(value >= -1 for value in metric.evaluate(2).values())
    assert cfg.default_hooks.checkpoint.save_best.split("/")[0] in names


def test_every_scale_of_a_multi_scale_test_makes_proposals(monkeypatch):
    monkeypatch.chdir(ROOT)
    cfg = load_config("configs/instance/hourglass4_voc_256.py")
    set_views(cfg, (0.5, 1, 1.5), None)
    batch = _samples(cfg.val_dataloader.dataset.pipeline, 20)
    assert sorted(image.shape[-1] for image in batch.images) == [128, 256, 384]
    assert cfg.model.tta["merge"] == "instances"


def test_proposals_of_a_single_scale_are_what_decoding_alone_finds(monkeypatch):
    monkeypatch.chdir(ROOT)
    torch.manual_seed(0)
    cfg = load_config("configs/instance/hourglass4_voc_256.py")
    model = _small(cfg).eval()
    model.decoder.threshold = 1e-6  # an untrained network is sure of nothing
    batch = model.data_preprocessor(_samples(cfg.val_dataloader.dataset.pipeline, 20))
    merged = model(**batch, mode="predict")
    model.tta = MODELS.build(dict(type="TestTimeAugmentation"))
    for one, other in zip(merged, model(**batch, mode="predict"), strict=True):
        assert len(one) > 5
        assert one.masks == other.masks
        assert one.scores.tolist() == other.scores.tolist()
        assert one.labels.tolist() == other.labels.tolist()
