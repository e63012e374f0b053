"""Gradient checkpointing in a compiled network; tests/models/backbones hold it to account in a plain one."""

import pytest
import torch
from torch import nn

from aemm.models.layers import compile_around_recomputing, recompute


class _Net(nn.Module):
    def __init__(self, with_cp):
        super().__init__()
        torch.manual_seed(0)
        self.with_cp = with_cp
        blocks = [nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Softplus()) for _ in range(3)]
        self.body = nn.Sequential(*blocks)

    def forward(self, x):
        return recompute(self.body, x) if self.with_cp else self.body(x)


def _saved(net, image):
    """Bytes that the forward pass keeps, gradients, and buffers."""
    sizes = []

    def keep(tensor):
        sizes.append(tensor.numel() * tensor.element_size())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = net(image).square().mean()
    loss.backward()
    return sum(sizes), [p.grad for p in net.parameters()], list(net.buffers())


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_recomputing_saves_memory_and_changes_nothing_in_a_compiled_network_too(backend):
    image = torch.randn(2, 4, 16, 16)
    found = []
    torch.compiler.reset()
    compile_around_recomputing()
    for with_cp in (False, True):
        net = _Net(with_cp)
        found.append(_saved(torch.compile(net, backend=backend), image))
    (every_byte, gradients, buffers), (few, same, others) = found
    assert few < 0.5 * every_byte
    for a, b in zip(gradients + buffers, same + others, strict=True):
        torch.testing.assert_close(a, b)
