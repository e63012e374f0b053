"""What every part of a model must offer, and one check of it when the model is built.

A part need not inherit from these classes: it has their attributes and methods, under the same parameter names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from aemm.records import Instances
from aemm.structures import Batch, Maps, Targets

Network = Callable[[Tensor], Maps]
"""Images ``(B, 3, H, W)`` to the maps that are decoded, in float32."""


class Backbone(Protocol):
    """Images to feature maps.

    Attributes:
        channels: of each feature map.
        strides: input pixels per cell of each feature map.
    """

    channels: Sequence[int]
    strides: Sequence[int]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Images ``(B, 3, H, W)`` to feature maps ``(B, channels[i], H / strides[i], W / strides[i])``."""
        ...


class Head(Protocol):
    """Feature maps to heatmaps and tags, and these to losses; its constructor takes ``in_channels``."""

    def forward(self, feats: tuple[Tensor, ...]) -> list[Maps]:
        """One :class:`~aemm.structures.Maps` for each supervised stage."""
        ...

    def loss(self, stages: list[Maps], targets: list[Targets]) -> dict[str, Tensor]:
        """Scalars by name; those with "loss" in their name are minimised, the others are logged."""
        ...

    def predict(self, stages: list[Maps]) -> Maps:
        """The maps that are decoded."""
        ...


class Decoder(Protocol):
    """Maps of a batch to what is in each of its images.

    Attributes:
        flip_index: the channel that each heatmap becomes in a mirror image.
    """

    flip_index: Sequence[int]

    def __call__(self, maps: Maps, batch: Batch) -> list[Instances]:
        """One :class:`~aemm.records.Instances` for each image, in its original pixels."""
        ...


class MergingDecoder(Decoder, Protocol):
    """A decoder that can also merge what it found at several scales, for ``merge='instances'`` in testing.

    Attributes:
        flip_index: as of every decoder.
    """

    def merge(self, views: Sequence[Sequence[Instances]]) -> list[Instances]:
        """One result for each image, from what was found in all B of them at each scale."""
        ...


class Augmentation(Protocol):
    """What testing does with the views of a batch; its constructor takes the decoder's ``flip_index``.

    Attributes:
        needs_decoder: the protocol its decoder must follow, :class:`Decoder` or :class:`MergingDecoder`.
    """

    needs_decoder: type

    def maps(self, network: Network, batch: Batch) -> Maps:
        """The maps that stand for a batch in pictures, analyses and exports."""
        ...

    def predict(self, network: Network, decoder: Any, batch: Batch) -> list[Instances]:
        """What is in each image."""
        ...


class Postprocessor(Protocol):
    """Corrects the instances of an image after decoding.

    Attributes:
        needs_image: whether it looks at the original image; if none does, the data need not keep it.
    """

    needs_image: bool

    def reset(self) -> None:
        """Forget what earlier images left behind, as before another video."""
        ...

    def __call__(self, found: Instances, image: np.ndarray | None) -> Instances:
        """The instances of an image ``(H, W, 3) uint8`` RGB, corrected; None if it was not kept."""
        ...


def check_part(part: object, protocol: type) -> None:
    """See that a part offers what a protocol of this module asks for.

    Args:
        part: an instance of any class.
        protocol: such as :class:`Head`.

    Raises:
        ValueError: naming everything that it lacks, and what to write.
    """
    attributes, methods = _members(protocol)
    lacking = [f"    {name}: {kind}" for name, kind in attributes.items() if getattr(part, name, None) is None]
    for name, method in methods.items():
        if fault := _method_fault(part, name, method):
            shown = str(inspect.signature(method)).replace("'", "")
            lacking.append(f"    def {name}{shown}: ...  # {fault}")
    if lacking:
        summary = (protocol.__doc__ or "").partition("\n")[0].rstrip(".").replace("``", "")
        raise ValueError(
            f"{type(part).__name__} is no {protocol.__name__} ({summary}). It needs, as "
            f"aemm.interfaces.{protocol.__name__} describes,\n" + "\n".join(lacking)
        )


def _members(protocol: type) -> tuple[dict[str, str], dict[str, Callable[..., Any]]]:
    """Attributes with their types and methods that a protocol asks for, those that it inherits included."""
    attributes: dict[str, str] = {}
    methods: dict[str, Callable[..., Any]] = {}
    for base in reversed(protocol.__mro__):
        if base.__module__ == __name__:
            attributes |= inspect.get_annotations(base)
            public = {name: value for name, value in vars(base).items() if name == "__call__" or name[0] != "_"}
            methods |= {name: value for name, value in public.items() if inspect.isfunction(value)}
    return attributes, methods


def _method_fault(part: object, name: str, wanted: Callable[..., Any]) -> str:
    """What is wrong with a part's method, "" if nothing is."""
    if name == "__call__" and isinstance(part, nn.Module):
        name = "forward"  # what a module's call runs
    method = getattr(part, name, None)
    inherited = getattr(method, "__func__", method) is getattr(nn.Module, name, part)  # a placeholder that raises
    if not callable(method) or inherited:
        return "missing"
    names = list(inspect.signature(wanted).parameters)[1:]
    parameters = list(inspect.signature(method).parameters.values())
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return ""
    named = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
    got = [p.name for p in named]
    if got[: len(names)] != names or any(p.default is p.empty for p in named[len(names) :]):
        return f"takes ({', '.join(got)}); others than ({', '.join(names)}) need a default and come behind"
    return ""
