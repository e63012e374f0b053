"""A trained model as one graph: 8-bit images in; maps, and where people are grouped their peaks, out.

Letters: B batch, C heatmap channels, T tag channels, L tag dimensions, M peaks per channel, ``h, w`` map cells.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aemm.geometry import PixelConvention
from aemm.models.decoders import PoseDecoder
from aemm.ops.heatmap import nms, top_peaks
from aemm.runtime.description import Contract
from aemm.structures import Batch, Maps

_MULTIPLES = (8, 16, 32, 64, 128)
_SIDES = (3, 5)  # of the images by which the multiple is found, in multiples: different, and powers of nothing


class ExportError(ValueError):
    """A model cannot be exported, or what was exported is not the model."""


class OpenBatch(Batch):
    """Images alone, of which there may be any number: what stands for a batch within a graph."""

    def __post_init__(self) -> None:
        """Check nothing, since numbers within a graph are not known yet."""


class DeployedNetwork(nn.Module):
    """What is exported of a model: normalisation, network, test-time augmentation of one scale, peaks.

    Maps and peaks are float32, whatever the network computes in.

    Args:
        model: an :class:`~aemm.models.Embedder`; it is copied.
        convention: of the pixels of its images.
        with_maps: whether the maps are outputs, which filling needs, and everything that has no peaks.
        contract: 'openvino' makes the outputs of Open Model Zoo's networks: ``heatmaps (B,K,h,w)`` that are not
            positive where a cell is no maximum, ``embeddings (B,K,h,w,L)``, from images whose channels are BGR.

    Attributes:
        mean: by which the graph normalises, ``(3, 1, 1)``.
        std: likewise.
        names: of the outputs.
        channels: of the input, 'RGB' or 'BGR'.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, model: Any, convention: PixelConvention, with_maps: bool = True, contract: Contract = "aemm"
    ) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).cpu().eval().requires_grad_(False)
        for name in ("mean", "std"):
            self.register_buffer(name, getattr(self.model.data_preprocessor, name).detach().clone().float())
        self.model.data_preprocessor = None
        self.model.postprocessors = []
        self.convention: PixelConvention = convention
        self.float_type = torch.float32
        decoder = model.decoder
        self.peaks: tuple[int, float, int] | None = None
        if isinstance(decoder, PoseDecoder):
            self.peaks = (decoder.max_peaks, decoder.threshold, decoder.window)
        elif not with_maps:
            raise ExportError(f"maps are all that {type(decoder).__name__} decodes; export them")
        self.contract, self.with_maps = contract, with_maps
        self.window = getattr(decoder, "window", None) or 1
        tagged = bool(getattr(self.model.head, "num_tags", 1))
        self.names = self._names(tagged)
        self.channels = "BGR" if contract == "openvino" else "RGB"

    def _names(self, tagged: bool) -> tuple[str, ...]:
        if self.contract == "openvino":
            return ("heatmaps", "embeddings")
        peaks = ("scores", "cells", "tags") if self.peaks else ()
        maps = ("heatmaps", "tag_maps") if tagged else ("heatmaps",)
        return peaks + (maps if self.with_maps else ())

    def halve(self) -> None:
        """Let the network compute in float16."""
        self.float_type = torch.float16
        self.model.half()

    def maps(self, image: Tensor) -> Maps:
        """The maps that are decoded, of images ``(B, 3, H, W) uint8``."""
        image = image.flip(1) if self.channels == "BGR" else image
        pixels = ((image.float() - self.mean) / self.std).to(self.float_type)
        batch = OpenBatch([pixels], [], [], np.eye(3)[None], convention=self.convention)
        return self.model.tta.maps(self.model.network, batch).float()

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """The outputs that ``names`` lists."""
        maps = self.maps(image)
        if self.contract == "openvino":
            heat = maps.heatmaps
            signed = torch.where(nms(heat, self.window) > 0, heat, -heat.abs())  # readers take its absolute value
            return signed, maps.need_tags().expand(-1, heat.shape[1], -1, -1, -1).permute(0, 1, 3, 4, 2)
        found: list[Tensor] = []
        if self.peaks is not None:
            peaks = top_peaks(maps, *self.peaks)
            found += [peaks.scores, peaks.cells, peaks.tags]
        if self.with_maps:
            found += [maps.heatmaps, *([maps.need_tags()] if "tag_maps" in self.names else [])]
        return tuple(found)


@torch.no_grad()
def find_multiple(network: DeployedNetwork) -> tuple[int, float]:
    """The number of which both sides of an image have to be multiples, and input pixels for each map cell.

    Both are found by trying, since neither backbones nor heads of users say so.

    Raises:
        ExportError: the network takes none of the sizes that are tried.
    """
    fault = ""
    for multiple in _MULTIPLES:
        height, width = (multiple * side for side in _SIDES)
        try:
            rows, columns = network.maps(torch.zeros(1, 3, height, width, dtype=torch.uint8)).size
        except (RuntimeError, ValueError) as error:  # shapes that do not meet
            fault = str(error)
            continue
        if rows * width == columns * height and (height % rows == 0 or rows % height == 0):
            return multiple, height / rows
    raise ExportError(
        f"the network takes no image whose sides are multiples of {', '.join(map(str, _MULTIPLES))} pixels, so its "
        f"input cannot be described{': ' + fault if fault else ''}"
    )
