"""The changes a newcomer would make: each is one file outside the package, or none."""

import importlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from torch import nn

from aemm.datasets import collate
from aemm.engine import build_runner, load_config
from aemm.records import DatasetInfo
from aemm.registry import DATASETS, METRICS, MODELS, TRANSFORMS
from aemm.skeletons import build_skeleton
from aemm.structures import Batch, Instances, Sample, Targets, Truth
from tests.end_to_end import write_config
from tests.engine.small_runs import small_runner, weights
from tests.pairs import measured

EXAMPLES = Path(__file__).resolve().parents[1] / "docs/examples"
SKELETON = dict(keypoints=["left_eye", "right_eye", "nose"], sigmas=[0.1] * 3)


@pytest.fixture
def example(monkeypatch):
    """Import a file of docs/examples, as custom_imports does."""

    def load(name: str) -> None:
        assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 30
        monkeypatch.syspath_prepend(str(EXAMPLES))
        importlib.import_module(name)

    return load


def model_of(**parts):
    """A tiny model, some of its parts given."""
    torch.manual_seed(0)
    config = dict(
        type="Embedder",
        backbone=dict(type="HourglassAE", out_channels=6, stacks=2, width=8, growth=4, depth=2, stem=(4, 8, 8)),
        head=dict(type="AEHead", num_heatmaps=3, project=False),
        decoder=dict(type="PoseDecoder", skeleton=SKELETON, threshold=0.0),
    )
    return MODELS.build(config | parts)


def batch_of(count: int = 2) -> Batch:
    images = torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    index = torch.tensor([[[1, 256 + 2, 512 + 3], [90, 256 + 91, 512 + 92]]] * count)
    target = Targets(torch.rand(count, 3, 16, 16), torch.ones(count, 16, 16), index)
    warp = np.stack([np.eye(3)] * count)
    return Batch([images], list(range(count)), [(64, 64)] * count, warp, targets=[target])


def test_a_head_with_a_loss_term_of_its_own_is_one_file(example):
    example("small_tags_head")
    model = model_of(head=dict(type="SmallTagsHead", num_heatmaps=3, project=False, size_weight=0.5))
    losses = model(batch_of(), mode="loss")
    assert {"loss_heatmap", "loss_pull", "loss_push", "loss_tag_size"} < set(losses)
    total, shown = model.parse_losses(losses)
    terms = [value for name, value in losses.items() if name.startswith("loss_")]
    torch.testing.assert_close(total, sum(terms))
    assert shown["loss_tag_size"] > 0
    losses["loss_tag_size"].backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.backbone.parameters())


@MODELS.register_module()
class SharpLoss(nn.Module):
    """A heatmap loss of two terms."""

    def forward(self, heatmaps, target, weight):
        error = (heatmaps - target) * weight[:, None]
        return {"loss_heatmap": error.square().mean(), "loss_sharp": error.abs().amax()}


@MODELS.register_module()
class Nameless(nn.Module):
    """A loss as one number."""

    def forward(self, heatmaps, target, weight):
        return (heatmaps - target).square().mean()


def test_a_loss_of_more_terms_is_one_file_and_every_stage_adds_to_each():
    head = dict(type="AEHead", num_heatmaps=3, project=False, heatmap_loss=dict(type="SharpLoss"))
    model, batch = model_of(head=head), batch_of()
    target = batch.targets[0]
    with torch.no_grad():
        losses = model(batch, mode="loss")
        stages = model.head(model.backbone(batch.images[0]))
        expected = sum((stage.heatmaps - target.heatmaps).abs().amax() for stage in stages) / 2
    torch.testing.assert_close(losses["loss_sharp"], expected)
    nameless = model_of(head=head | dict(heatmap_loss=dict(type="Nameless")))
    with pytest.raises(ValueError, match=r"Nameless must return its terms by name.* got Tensor"):
        nameless(batch, mode="loss")


def test_a_decoder_is_one_file(example):
    example("peak_decoder")
    model = model_of(decoder=dict(type="PeakDecoder", channels=3, threshold=0.0)).eval()
    batch = batch_of()
    with torch.no_grad():
        maps, found = model.maps(batch), model.predict(batch)
    assert [one.image_id for one in found] == [0, 1]
    for b, one in enumerate(found):
        assert len(one) > 0
        x, y = np.floor(one.keypoints[:, 0] / 4).astype(int).T
        np.testing.assert_allclose(maps.heatmaps[b].numpy()[one.labels, y, x], one.scores)


def test_a_stateful_postprocessor_that_needs_no_image_is_one_file(example):
    example("number_people")
    model = model_of(postprocessors=[dict(type="NumberPeople")]).eval()
    model.predict(batch_of())  # without originals

    def frame(*tags: float) -> Instances:
        values = np.array(tags, np.float32)[:, None]
        return Instances(0, (64, 64), np.ones(len(tags), np.float32), values)

    (number,) = model.postprocessors
    model.reset()
    assert number(frame(3.0, 8.0), None).track_ids.tolist() == [0, 1]
    assert number(frame(8.2, 20.0, 3.1), None).track_ids.tolist() == [1, 2, 0]
    model.reset()
    assert number(frame(8.2), None).track_ids.tolist() == [0]


def test_the_maps_for_an_exporter_take_no_file():
    class Exported(nn.Module):
        """Pixels 0 to 255 to heatmaps and tags."""

        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, image):
            batch = Batch([image], [0], [(64, 64)], np.eye(3)[None])
            maps = self.model.maps(self.model.data_preprocessor(batch)["batch"])
            return maps.heatmaps, maps.need_tags()

    model = model_of(tta=dict(type="TestTimeAugmentation", flip=True)).eval()
    image = 255 * torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        exported = torch.export.export(Exported(model), (image,)).module()
        other = 255 * torch.rand(1, 3, 64, 64)
        torch.testing.assert_close(exported(other), Exported(model)(other))
    assert exported(other)[1].shape == (1, 3, 2, 16, 16)


def test_a_data_set_of_a_new_format_is_one_file_and_coco_metric_measures_it(example, tmp_path):
    example("csv_points")
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((40, 60, 3), np.uint8))
    (tmp_path / "people.csv").write_text("a.png,10,10,30,12,20,30\na.png,40,5,50,6,45,25\nb.png,5,5,25,8,15,35\n")
    config = dict(type="CsvPoints", table=str(tmp_path / "people.csv"), img_dir=str(tmp_path), skeleton=SKELETON)
    trained = DATASETS.build(config | dict(pipeline=[dict(type="PoseTargets", strides=[4], style="unbiased", sigma=1)]))
    assert collate([trained[0]]).targets[0].tag_index.shape == (1, 2, 3)
    tested = DATASETS.build(config | dict(test_mode=True))
    pairs = []
    for sample in (tested[i] for i in range(len(tested))):
        scores = np.ones(sample.visible.shape)
        found = Instances(sample.image_id, (40, 60), scores[:, 0], None, sample.keypoints, scores)
        pairs.append((sample.truth, found))
    assert measured(METRICS.build(dict(type="CocoMetric")), tested.metainfo, pairs)["coco/AP"] == pytest.approx(1)


def test_a_backbone_is_one_file_and_the_head_is_built_to_it(example):
    example("plain_net")
    model = model_of(backbone=dict(type="PlainNet", width=7, depth=1), head=dict(type="AEHead", num_heatmaps=3))
    losses = model(batch_of(), mode="loss")
    losses["loss_heatmap"].backward()
    assert model.head.convs[0].in_channels == 7
    assert all(p.grad is not None for p in model.backbone.parameters())
    with torch.no_grad():
        assert len(model.eval().predict(batch_of())) == 2


def test_a_loss_is_one_file(example):
    example("peak_loss")
    loss = MODELS.build(dict(type="PeakLoss", peak=5.0))
    target = torch.tensor([[[[0.0, 1.0, 0.5]]]])
    weight = torch.tensor([[[1.0, 1.0, 0.0]]])
    value = loss(torch.zeros(1, 1, 1, 3), target, weight)["loss_heatmap"]
    assert value == pytest.approx(5.0 / 3)  # the peak alone: it weighs 5, and the mean goes over all cells
    model = model_of(head=dict(type="AEHead", num_heatmaps=3, project=False, heatmap_loss=dict(type="PeakLoss")))
    assert model(batch_of(), mode="loss")["loss_heatmap"] > 0


def test_a_transform_is_one_file_and_draws_from_the_sample(example):
    example("random_gray")
    image = np.random.default_rng(0).integers(0, 255, (4, 5, 3)).astype(np.uint8)
    always, never, now_and_then = (
        TRANSFORMS.build(dict(type="RandomGray", probability=probability)) for probability in (1.0, 0.0, 0.5)
    )
    sample = Sample(image, 0, (4, 5))
    gray = always(sample).image
    assert gray.dtype == np.uint8
    assert (gray == gray[..., :1]).all()
    np.testing.assert_allclose(gray[..., 0], image.mean(2), atol=0.5)
    assert never(sample) is sample

    def draws(seed):
        rng = np.random.default_rng(seed)
        return [now_and_then(replace(sample, rng=rng)).image is image for _ in range(20)]

    assert draws(1) == draws(1)
    assert 0 < sum(draws(1)) < 20


def test_a_metric_is_one_file(example):
    example("count_metric")
    info = DatasetInfo("drawn", build_skeleton(SKELETON))
    visible = np.array([[2, 2, 0], [1, 0, 0], [0, 0, 0]])  # the third is not annotated
    pairs = []
    for image_id, scores in enumerate(([0.9, 0.8, 0.1], [0.9], [])):
        truth = Truth(image_id, (40, 60), keypoints=np.zeros((3, 3, 2), np.float32), visible=visible)
        points = np.zeros((len(scores), 3, 2))
        pairs.append((truth, Instances(image_id, (40, 60), np.array(scores), None, points, points[..., 0])))
    assert measured(METRICS.build(dict(type="CountMetric")), info, pairs) == {"count/error": 1.0}


def test_a_hook_is_one_file(example, tmp_path):
    example("rest_backbone")
    layers = dict(model__head__project=True, model__backbone__out_channels=8, model__backbone__tag_std=None)
    runner = small_runner(tmp_path, custom_hooks=[dict(type="RestBackbone", epochs=1)], **layers)
    before = weights(runner)
    seen = {}

    class Watch(Hook):
        def after_train_epoch(self, runner):
            seen[runner.epoch] = weights(runner)

    runner.register_hook(Watch())
    runner.train()

    def moved(one, two, name):
        return any(not torch.equal(one[key], two[key]) for key in one if key.startswith(name) and "weight" in key)

    assert not moved(before, seen[0], "backbone.")
    assert moved(before, seen[0], "head.")
    assert moved(seen[0], seen[1], "backbone.")


def test_a_second_metric_in_validation_takes_no_file(tmp_path):
    metrics = "[dict(type='CocoMetric'), dict(type='CocoMetric', prefix='loose', sigmas=[0.3] * 17)]"
    extra = f"val_evaluator = {metrics}\ntest_evaluator = val_evaluator"
    config = load_config(str(write_config(tmp_path, extra)))
    config.work_dir = str(tmp_path)
    values = build_runner(config).test()
    assert {"coco/AP", "loose/AP"} <= set(values)
