"""A part that lacks something is refused when the model is built, with all that is to be written."""

import pytest
import torch
from mmengine.model import BaseModule
from torch import nn

from aemm.interfaces import Augmentation, Backbone, Decoder, Head, MergingDecoder, Postprocessor, check_part
from aemm.models import Embedder, InstanceDecoder, PoseDecoder, SinglePersonDecoder, TestTimeAugmentation
from aemm.postprocess import SinglePersonRefiner
from aemm.registry import DECODERS, MODELS


class Whole(BaseModule):
    """A head with everything."""

    def forward(self, feats):
        return []

    def loss(self, stages, targets):
        return {}

    def predict(self, stages):
        return stages[-1]


def faults(part, protocol) -> str:
    with pytest.raises(ValueError, match=f"{type(part).__name__} is no {protocol.__name__}") as error:
        check_part(part, protocol)
    return str(error.value)


@pytest.mark.parametrize(
    ("part", "protocol"),
    [
        (Whole(), Head),
        (PoseDecoder("coco"), Decoder),
        (SinglePersonDecoder("coco"), Decoder),
        (InstanceDecoder(2), MergingDecoder),
        (TestTimeAugmentation(), Augmentation),
        (SinglePersonRefiner.__new__(SinglePersonRefiner), Postprocessor),
    ],
)
def test_what_the_package_offers_follows_the_protocols(part, protocol):
    check_part(part, protocol)


def test_everything_that_is_missing_is_listed_with_what_to_write():
    class Bare(nn.Module):
        pass

    message = faults(Bare(), Head)
    assert "def forward(self, feats: tuple[Tensor, ...]) -> list[Maps]: ...  # missing" in message
    assert "def loss(self, stages: list[Maps], targets: list[Targets]) -> dict[str, Tensor]" in message
    assert "def predict(self, stages: list[Maps]) -> Maps" in message
    message = faults(Bare(), Backbone)
    assert "channels: Sequence[int]" in message
    assert "strides: Sequence[int]" in message


def test_a_module_without_a_forward_of_its_own_is_no_head():
    class NoForward(Whole):
        forward = nn.Module.forward

    class HalfHead(BaseModule):
        loss, predict = Whole.loss, Whole.predict

    for part in (NoForward(), HalfHead()):
        assert "def forward" in faults(part, Head)
        assert "def loss" not in faults(part, Head)


def test_parameters_go_by_the_names_of_the_protocol_and_further_ones_have_defaults():
    class Renamed(Whole):
        def loss(self, maps, targets):
            return {}

    class Demanding(Whole):
        def predict(self, stages, size):
            return stages[-1]

    class Generous(Whole):
        def predict(self, stages, size=None, *, fast=False, **more):
            return stages[-1]

    class Passing(Whole):
        def predict(self, *args):
            return args[0]

    assert "takes (maps, targets); others than (stages, targets) need a default" in faults(Renamed(), Head)
    assert "takes (stages, size); others than (stages)" in faults(Demanding(), Head)
    check_part(Generous(), Head)
    check_part(Passing(), Head)


def test_a_decorated_method_is_seen_through_and_one_that_is_no_method_is_not_accepted():
    class NoGrad(Whole):
        @torch.no_grad()
        def predict(self, stages):
            return stages[-1]

    class Value(Whole):
        predict = 3

    check_part(NoGrad(), Head)
    assert "def predict" in faults(Value(), Head)


def test_the_call_of_a_module_is_its_forward():
    class Network(nn.Module):
        flip_index = (0,)

        def forward(self, maps, batch):
            return []

    check_part(Network(), Decoder)
    Network.forward = lambda self, maps: []
    assert "takes (maps); others than (maps, batch)" in faults(Network(), Decoder)


def test_an_attribute_that_is_none_is_missing():
    decoder = PoseDecoder("coco")
    decoder.flip_index = None
    assert "flip_index: Sequence[int]" in faults(decoder, Decoder)


def test_only_a_decoder_that_merges_fits_a_test_that_merges_instances():
    assert "def merge(self, views: Sequence[Sequence[Instances]])" in faults(PoseDecoder("coco"), MergingDecoder)
    model = dict(
        type="Embedder",
        backbone=dict(type="HourglassAE", out_channels=34, stacks=1, width=8, growth=4, depth=2, stem=(4, 8, 8)),
        head=dict(type="AEHead", num_heatmaps=17, project=False),
        decoder=dict(type="PoseDecoder", skeleton="coco"),
        tta=dict(type="TestTimeAugmentation", merge="instances"),
    )
    with pytest.raises(ValueError, match="for merge='instances' in testing"):
        MODELS.build(model)


@DECODERS.register_module()
class Unfinished:
    flip_index = (0, 1)


def test_the_model_names_the_part_that_is_unfinished():
    model = dict(
        type="Embedder",
        backbone=dict(type="HourglassAE", out_channels=4, stacks=1, width=8, growth=4, depth=2, stem=(4, 8, 8)),
        head=dict(type="AEHead", num_heatmaps=2, project=False),
        decoder=dict(type="Unfinished"),
    )
    with pytest.raises(ValueError, match=r"Unfinished is no Decoder .* describes,\n    def __call__\(self, maps"):
        MODELS.build(model)


def test_a_mode_that_does_not_exist_is_refused():
    model = dict(
        type="Embedder",
        backbone=dict(type="HourglassAE", out_channels=34, stacks=1, width=8, growth=4, depth=2, stem=(4, 8, 8)),
        head=dict(type="AEHead", num_heatmaps=17, project=False),
        decoder=dict(type="PoseDecoder", skeleton="coco"),
    )
    with pytest.raises(ValueError, match="mode must be 'loss', 'predict' or 'tensor', got 'test'"):
        MODELS.build(model)(None, mode="test")


def test_channels_follow_from_the_skeleton_where_they_are_left_out():
    skeleton = dict(keypoints=["left_eye", "right_eye", "beak", "neck", "tail"], sigmas=[0.05] * 5)
    parts = dict(
        backbone=dict(type="HourglassAE", stacks=1, width=8, growth=4, depth=2, stem=(4, 8, 8), tag_std=0.02),
        head=dict(type="AEHead", tag_dims=2, project=False),
        decoder=dict(type="PoseDecoder", skeleton=skeleton),
    )
    model = Embedder(**parts)
    assert (model.head.num_heatmaps, model.backbone.channels, model.backbone.tag_channels) == (5, (15,), (5, 15))
    given = Embedder(**parts | dict(backbone=dict(parts["backbone"], out_channels=20, tag_channels=(6, 16))))
    assert (given.backbone.channels, given.backbone.tag_channels) == ((20,), (6, 16))
    with pytest.raises(ValueError, match=r"backbone\.out_channels is left out, .* head with project=False"):
        Embedder(**parts | dict(head=dict(type="AEHead")))
