"""Parts of one's own that do not keep their word are named, with what they are to return."""

import numpy as np
import pytest
import torch
from torch import nn

from aemm.datasets import SampleDataset
from aemm.datasets.base import transformed
from aemm.evaluation.pairs import PairMetric
from aemm.models import Embedder
from aemm.models.heads import AEHead
from aemm.records import DatasetInfo, Instances, Truth
from aemm.registry import MODELS
from aemm.structures import Batch, Maps, Sample, Targets
from tests.networks import SMALL
from tests.pairs import measured

K = 3


class OwnLoss(nn.Module):
    """A loss that returns what it is told."""

    def __init__(self, returned):
        super().__init__()
        self.returned = returned

    def forward(self, heatmaps, target, weight):
        return self.returned(heatmaps)


def head_loss(returned, channels=K):
    head = AEHead(num_heatmaps=K, in_channels=(6,), tag_dims=0)
    head.heatmap_loss = OwnLoss(returned)
    stages = [Maps(torch.rand(2, channels, 4, 4, requires_grad=True))]
    return head.loss(stages, [Targets(torch.zeros(2, K, 4, 4), torch.ones(2, 4, 4))])


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda maps: maps.mean(), r"OwnLoss must return its terms by name, .* got Tensor"),
        (lambda maps: {}, r"OwnLoss returns no terms, of which nothing is minimised"),
        (lambda maps: {"heat": maps.mean()}, r"OwnLoss returns heat, of which .* has 'loss' in it"),
        (
            lambda maps: {"loss_heat": maps.mean(0)},
            r"loss_heat must be a tensor of one number, got .* \(3, 4, 4\)",
        ),
        (lambda maps: {"loss_heat": 0.5}, r"loss_heat must be a tensor of one number, got float"),
        (lambda maps: {"loss_heat": maps.mean().detach()}, r"loss_heat does not depend on the network"),
    ],
)
def test_a_loss_that_nothing_is_learnt_from_is_refused(returned, message):
    with pytest.raises(ValueError, match=message):
        head_loss(returned)


def test_a_loss_may_have_figures_beside_what_is_minimised():
    found = head_loss(lambda maps: {"loss_heat": maps.mean()[None], "largest": maps.detach().max()})
    assert {name: value.shape for name, value in found.items()} == {"loss_heat": (), "largest": ()}
    head_loss(lambda maps: {"loss_heat": maps.mean(), "loss_pull": maps.new_zeros(())})  # nobody is there
    with torch.no_grad():
        head_loss(lambda maps: {"loss_heat": maps.detach().mean()})


@pytest.mark.parametrize("channels", [1, 5])
def test_a_head_of_other_heatmaps_is_refused(channels):
    with pytest.raises(ValueError, match=rf"heatmaps \(B, C, h, w\) of \(2, {channels}, 4, 4\), .* of \(2, 3, 4, 4\)"):
        head_loss(lambda maps: {"loss_heat": maps.mean()}, channels)


@pytest.fixture
def model():
    parts = dict(
        backbone=dict(type="HourglassAE", stacks=1, **SMALL["HourglassAE"]),
        head=dict(type="AEHead", project=False),
        decoder=dict(type="PoseDecoder", skeleton="coco"),
    )
    return MODELS.build(dict(type="Embedder", **parts)).eval()


@pytest.fixture
def batch():
    return Batch([torch.zeros(1, 3, 64, 64)], ["a"], [(64, 64)], np.eye(3)[None])


class OwnNet(nn.Module):
    """A backbone that says 6 channels."""

    channels, strides = (6,), (4,)

    def __init__(self, returned):
        super().__init__()
        self.returned = returned

    def forward(self, image):
        return self.returned


@pytest.mark.parametrize(
    ("returned", "got"),
    [
        (torch.zeros(1, 6, 4, 4), "got a Tensor"),
        ((torch.zeros(1, 7, 4, 4),), r"got feature maps of \[7\]"),
        ((torch.zeros(1, 6, 4, 4),) * 2, r"got feature maps of \[6, 6\]"),
    ],
)
def test_a_backbone_that_returns_others_than_it_says_is_refused(model, batch, returned, got):
    model.backbone = OwnNet(returned)
    for call in (model.loss, model.maps):
        with pytest.raises(ValueError, match=rf"OwnNet must return a tuple of feature maps of \[6\] channels, .*{got}"):
            call(batch)


class Forgets:
    """A postprocessor that returns nothing."""

    needs_image = False

    def __call__(self, found, image):
        return None


def test_a_decoder_and_a_postprocessor_that_return_others_are_refused(model: Embedder, batch):
    nobody = Instances("a", (64, 64), np.zeros(0))
    model.tta.predict = lambda network, decoder, batch: []
    with pytest.raises(ValueError, match="PoseDecoder must return an Instances for each image, for 1 images, got 0"):
        model.predict(batch)
    model.postprocessors = [Forgets()]
    with pytest.raises(ValueError, match="Forgets must return Instances, got NoneType"):
        model.postprocess([nobody], [])


class OwnSet(SampleDataset):
    """A data set of one sample, changed by the test."""

    def __init__(self, returned, **options):
        super().__init__(skeleton="coco", **options)
        self.returned = returned

    def __len__(self):
        return 1

    def load(self, index):
        return self.returned


def sample(**changes):
    known = dict(keypoints=np.ones((1, 17, 2), np.float32), visible=np.full((1, 17), 2))
    return Sample(**dict(image=np.zeros((8, 8, 3), np.uint8), image_id=4, image_size=(8, 8)) | known | changes)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda: None, r"OwnSet\.load must return a Sample, got NoneType"),
        (lambda: sample(image=np.zeros((8, 8, 3))), "image 4 must be uint8, 0 to 255, got float64"),
        (lambda: sample(keypoints=np.full((1, 17, 2), np.nan)), "image 4 has keypoints that are NaN or infinite"),
        (lambda: sample(keypoints=[[[1, 2]]]), "keypoints must be an array, got a list; image 4"),
    ],
)
def test_a_data_set_that_loads_what_cannot_be_meant_is_refused(returned, message):
    with pytest.raises(ValueError, match=message):
        OwnSet(returned())[0]


def test_absent_keypoints_may_be_nan():
    absent = dict(keypoints=np.full((1, 17, 2), np.nan), visible=np.zeros((1, 17), int))
    assert OwnSet(sample(**absent))[0].image_id == 4


def test_a_transform_that_forgets_to_return_is_named():
    def forgets(sample):
        sample.rng.random()

    with pytest.raises(ValueError, match="transform forgets must return a Sample, got NoneType"):
        transformed(sample(), [forgets])


class OwnMetric(PairMetric):
    """A metric that returns what it is told."""

    default_prefix = "own"

    def __init__(self, returned):
        super().__init__()
        self.returned = returned

    def check(self, truth, found):
        pass

    def measure(self, pairs):
        return self.returned


def pair(x, image_id=1):
    points = np.full((1, 17, 2), x)
    truth = Truth(image_id, (8, 8), keypoints=points, visible=np.full((1, 17), 2))
    return truth, Instances(image_id, (8, 8), np.zeros(0))


@pytest.mark.parametrize("returned", [None, 0.5, {"error": "low"}, {"error": None}])
def test_a_metric_without_figures_is_refused(returned):
    with pytest.raises(ValueError, match=r"OwnMetric\.measure must return numbers by name"):
        measured(OwnMetric(returned), DatasetInfo("own"), [pair(1.0)])


def test_images_of_one_identifier_are_told_apart_from_one_that_was_seen_twice():
    for x in (1.0, np.nan):
        assert measured(OwnMetric({"error": 1}), DatasetInfo("own"), [pair(x), pair(x)]) == {"own/error": 1}
    with pytest.raises(ValueError, match="several images go by the identifier 1; image_id must tell"):
        measured(OwnMetric({"error": 1}), DatasetInfo("own"), [pair(1.0), pair(2.0)])
