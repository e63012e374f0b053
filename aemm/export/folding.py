"""Batch norm made part of the convolution before it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.nn.utils.fusion import fuse_conv_bn_weights

_CONVOLUTIONS = ("conv2d", "conv_transpose2d", "convolution")


def fold_batch_norms(network: nn.Module, image: Tensor) -> int:
    """Fold every batch norm that follows a convolution, and nothing else reads, into that convolution, in place.

    Which these are is read off a graph of the network, so that it does not matter how its modules call each other.

    Args:
        network: in evaluation mode.
        image: one that it takes.

    Returns:
        How many were folded.
    """
    graph = torch.export.export(network, (image,)).module()
    assert isinstance(graph, GraphModule)
    uses = Counter(_parameter(node, 1) for node in graph.graph.nodes if _operation(node) in _CONVOLUTIONS)
    uses.update(_parameter(node, 1) for node in graph.graph.nodes if _operation(node) == "batch_norm")
    pairs = Counter(pair for node in graph.graph.nodes if (pair := _pair(node)) is not None)
    alone = [pair for pair, times in pairs.items() if uses[pair[0]] == uses[pair[1]] == times]  # read nowhere else
    for convolution, norm in alone:
        _fold(network.get_submodule(convolution), network, norm)
    return len(alone)


def _pair(node: Node) -> tuple[str, str] | None:
    """Names of the convolution and the batch norm of a node that is a batch norm behind a convolution."""
    if _operation(node) != "batch_norm":
        return None
    before = node.args[0]
    if not isinstance(before, Node) or _operation(before) not in _CONVOLUTIONS or len(before.users) > 1:
        return None
    convolution, norm = _parameter(before, 1), _parameter(node, 1)
    return (convolution, norm) if convolution and norm else None


def _parameter(node: Node, place: int) -> str:
    """The module whose weight an operation reads as its argument at ``place``, "" if it is none."""
    weight = node.args[place]
    return str(weight.target).removesuffix(".weight") if isinstance(weight, Node) and weight.op == "get_attr" else ""


def _operation(node: Node) -> str:
    return node.target.__name__.partition(".")[0] if node.op == "call_function" else ""  # type: ignore[union-attr]


def _fold(convolution: Any, network: nn.Module, name: str) -> None:
    """Change a convolution's weights, and put nothing in the place of the batch norm ``name``."""
    norm: Any = network.get_submodule(name)
    kernel, bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
        transpose=isinstance(convolution, nn.ConvTranspose2d),
    )
    convolution.weight, convolution.bias = kernel, bias
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, nn.Identity())
