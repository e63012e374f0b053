import pytest
import torch

from aemm.models import MobileNetV2, ResNet


# torchvision's counts without the classifier of 1000 classes
@pytest.mark.parametrize(
    ("build", "published", "features"),
    [
        (lambda: ResNet(50), 25_557_032, 2048),
        (lambda: ResNet(101), 44_549_160, 2048),
        (lambda: ResNet(152), 60_192_808, 2048),
        (lambda: MobileNetV2(), 3_504_872, 1280),
    ],
)
def test_parameters_are_those_of_the_published_network(build, published, features):
    with torch.device("meta"):
        net = build()
    assert net.channels == (features,)
    assert sum(p.numel() for p in net.parameters()) + 1000 * (features + 1) == published


@pytest.mark.parametrize(
    ("build", "entries"),
    [
        (
            lambda: ResNet(50),
            {
                "conv1.weight": (64, 3, 7, 7),
                "bn1.running_var": (64,),
                "layer1.0.downsample.0.weight": (256, 64, 1, 1),
                "layer2.0.conv2.weight": (128, 128, 3, 3),
                "layer4.2.bn3.bias": (2048,),
            },
        ),
        (
            lambda: MobileNetV2(),
            {
                "features.0.0.weight": (32, 3, 3, 3),
                "features.1.conv.0.0.weight": (32, 1, 3, 3),
                "features.1.conv.1.weight": (16, 32, 1, 1),
                "features.2.conv.1.0.weight": (96, 1, 3, 3),
                "features.17.conv.3.running_mean": (320,),
                "features.18.1.bias": (1280,),
            },
        ),
    ],
)
def test_entries_have_torchvision_names(build, entries):
    with torch.device("meta"):
        state = build().state_dict()
    assert {name: tuple(state[name].shape) for name in entries} == entries


def test_an_unknown_depth_is_refused():
    with pytest.raises(ValueError, match=r"depth must be one of \[50, 101, 152\], got 51"):
        ResNet(51)
