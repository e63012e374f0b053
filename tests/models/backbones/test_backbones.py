"""What every registered backbone promises."""

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from tests.networks import backbone_names, small_backbone

NAMES = backbone_names()


@pytest.mark.parametrize("name", NAMES)
def test_feature_maps_have_the_declared_shapes_and_train_all_that_there_is(name):
    torch.manual_seed(0)
    net = small_backbone(name)
    height, width = 4 * net.multiple_of, 6 * net.multiple_of
    feats = net(torch.randn(2, 3, height, width))
    assert isinstance(feats, tuple)
    declared = [(2, c, height // s, width // s) for c, s in zip(net.channels, net.strides, strict=True)]
    assert [tuple(feat.shape) for feat in feats] == declared
    sum(feat.square().mean() for feat in feats).backward()
    for key, value in net.named_parameters():
        if value.requires_grad:
            assert value.grad is not None, key
            assert value.grad.abs().sum() > 0, key


@pytest.mark.parametrize("name", NAMES)
def test_recomputing_changes_neither_gradients_nor_running_statistics(name):
    torch.manual_seed(0)
    plain = small_backbone(name)
    saving = small_backbone(name, with_cp=True)
    saving.load_state_dict(plain.state_dict())
    image = torch.randn(2, 3, 2 * plain.multiple_of, 2 * plain.multiple_of)
    for net in (plain, saving):
        sum(feat.square().mean() for feat in net(image)).backward()
    for (key, a), b in zip(plain.named_parameters(), saving.parameters(), strict=True):
        assert a.requires_grad == b.requires_grad
        if a.requires_grad:
            torch.testing.assert_close(a.grad, b.grad, msg=key)
    moved = False
    for (key, a), b in zip(plain.named_buffers(), saving.buffers(), strict=True):
        torch.testing.assert_close(a, b, msg=key)
        moved |= key.endswith("num_batches_tracked") and a.item() == 1
    assert moved or not any(isinstance(module, _BatchNorm) for module in plain.modules())
    assert all(m.momentum == 0.1 for m in saving.modules() if isinstance(m, _BatchNorm))


@pytest.mark.parametrize("name", NAMES)
def test_sides_that_do_not_halve_are_refused_with_the_multiple(name):
    net = small_backbone(name)
    with pytest.raises(ValueError, match=f"multiples of {net.multiple_of}, got {net.multiple_of + 1}x"):
        net(torch.zeros(1, 3, net.multiple_of + 1, net.multiple_of))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"HourglassAE"}))
def test_published_imagenet_weights_are_found_by_their_names(name, tmp_path):
    torch.manual_seed(0)
    published = {key: torch.randn(value.shape) for key, value in small_backbone(name).state_dict().items()}
    further = {
        "fc.weight": torch.zeros(2),
        "classifier.1.weight": torch.zeros(2),
        "incre_modules.0.weight": torch.zeros(2),
    }
    torch.save(published | further, tmp_path / "imagenet.pth")
    net = small_backbone(name, init_cfg=dict(type="Pretrained", checkpoint=str(tmp_path / "imagenet.pth")))
    net.init_weights()
    for key, value in net.state_dict().items():
        torch.testing.assert_close(value, published[key].to(value.dtype), msg=key)
