"""The one model: backbone, head, decoder, and what stands around them in testing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import Tensor

from aemm.interfaces import Augmentation, Backbone, Decoder, Head, Postprocessor, check_part
from aemm.registry import DECODERS, MODELS, POSTPROCESSORS, parameters
from aemm.structures import Batch, Instances, Maps


def _takes(part: dict[str, Any], argument: str) -> bool:
    """Whether the class of a config, or one that it inherits from and hands its arguments to, takes one left out."""
    kind = part.get("type")
    if kind is None or argument in part:
        return False
    cls = MODELS.get(kind) if isinstance(kind, str) else kind
    named, others = parameters(cls)
    return argument in named or (others and any(argument in parameters(base)[0] for base in cls.__mro__[1:-1]))


def _heatmaps(head: dict[str, Any], count: int) -> dict[str, int]:
    """The number of heatmaps for a head that leaves it to the decoder."""
    return dict(num_heatmaps=count) if _takes(head, "num_heatmaps") else {}


def _raw_channels(backbone: dict[str, Any], head: dict[str, Any], heatmaps: dict[str, int]) -> dict[str, Any]:
    """How many channels a backbone gives to a head that only splits them, and which of them are tags.

    Raises:
        ValueError: the backbone leaves it to a head that has layers of its own.
    """
    if not _takes(backbone, "out_channels"):
        return {}
    if head.get("project", True):
        raise ValueError("backbone.out_channels is left out, which only a head with project=False can fill in")
    splitter = MODELS.build(head, default_args=dict(in_channels=(sys.maxsize,), **heatmaps))
    tags = (splitter.num_heatmaps, splitter.out_channels)
    wide = backbone.get("tag_std") is not None and _takes(backbone, "tag_channels")
    return dict(out_channels=splitter.out_channels, **(dict(tag_channels=tags) if wide else {}))


@MODELS.register_module()
class Embedder(BaseModel):
    """A network that detects and groups in one pass, for keypoints or for masks.

    What each part must offer stands in :mod:`aemm.interfaces`, and is checked here.

    Args:
        backbone: config of a registered backbone; one whose channels the head only splits is told how many there are
            to be, unless it says so itself.
        head: config of a registered head; it is told the backbone's channels, and unless it says so itself how many
            heatmaps there are: as many as the decoder has channels.
        decoder: config of a registered decoder.
        data_preprocessor: config of the preprocessor.
        tta: config of the test-time augmentation, which is told the decoder's ``flip_index``; by default
            the scales of a batch are merged, nothing is mirrored.
        postprocessors: configs of what corrects the instances of an image, one after the other; those that look
            at the original image need ``KeepOriginal`` at the head of the test pipeline.
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: a part lacks what its protocol asks for.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        head: dict[str, Any],
        decoder: dict[str, Any],
        data_preprocessor: dict[str, Any] | None = None,
        tta: dict[str, Any] | None = None,
        postprocessors: Sequence[dict[str, Any]] = (),
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(MODELS.build(data_preprocessor or dict(type="Preprocessor")), init_cfg)
        self.decoder = DECODERS.build(decoder)
        check_part(self.decoder, Decoder)
        heatmaps = _heatmaps(head, len(self.decoder.flip_index))
        self.backbone = MODELS.build(backbone, default_args=_raw_channels(backbone, head, heatmaps))
        check_part(self.backbone, Backbone)
        self.head = MODELS.build(head, default_args=dict(in_channels=self.backbone.channels, **heatmaps))
        check_part(self.head, Head)
        mirrored = dict(flip_index=self.decoder.flip_index)
        self.tta = MODELS.build(tta or dict(type="TestTimeAugmentation"), default_args=mirrored)
        check_part(self.tta, Augmentation)
        check_part(self.decoder, self.tta.needs_decoder)
        self.postprocessors = [POSTPROCESSORS.build(step) for step in postprocessors]
        for step in self.postprocessors:
            check_part(step, Postprocessor)

    def forward(self, batch: Batch, mode: str = "tensor") -> dict[str, Tensor] | list[Instances] | Maps:
        """What mmengine calls: one of the three methods below.

        Args:
            batch: as the preprocessor returns it.
            mode: ``'loss'``, ``'predict'``, or ``'tensor'`` for :meth:`maps`.

        Raises:
            ValueError: there is no such mode.
        """
        if mode == "loss":
            return self.loss(batch)
        if mode == "predict":
            return self.predict(batch)
        if mode == "tensor":
            return self.maps(batch)
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Scalars by name, as the head gives them, from maps in float32 and without autocast."""
        stages = self.head(self._features(batch.images[0]))
        with torch.autocast(batch.images[0].device.type, enabled=False):
            return self.head.loss([maps.float() for maps in stages], batch.targets)

    def predict(self, batch: Batch) -> list[Instances]:
        """What is in each image, corrected by the postprocessors."""
        found = self.tta.predict(self.network, self.decoder, batch)
        if len(found) != len(batch.image_ids):
            told = f"for {len(batch.image_ids)} images, got {len(found)}"
            raise ValueError(f"{type(self.decoder).__name__} must return an Instances for each image, {told}")
        return self.postprocess(found, batch.originals)

    def maps(self, batch: Batch) -> Maps:
        """The maps that are decoded, for pictures, analyses and exports; see :class:`aemm.interfaces.Augmentation`."""
        return self.tta.maps(self.network, batch)

    def network(self, image: Tensor) -> Maps:
        """What the head predicts for images ``(B, 3, H, W)``, in float32."""
        return self.head.predict(self.head(self._features(image))).float()

    def _features(self, image: Tensor) -> tuple[Tensor, ...]:
        """The backbone's feature maps, which are as it says.

        Raises:
            ValueError: they are others.
        """
        feats = self.backbone(image)
        many = isinstance(feats, tuple | list)
        channels = [feat.shape[1] for feat in feats] if many else []
        if channels != list(self.backbone.channels):
            got = f"feature maps of {channels}" if many else f"a {type(feats).__name__}"
            raise ValueError(
                f"{type(self.backbone).__name__} must return a tuple of feature maps of {list(self.backbone.channels)} "
                f"channels, as its attribute channels says, got {got}"
            )
        return feats

    def reset(self) -> None:
        """Let the postprocessors forget the images they have seen, as before another video."""
        for step in self.postprocessors:
            step.reset()

    def postprocess(self, found: list[Instances], originals: Sequence[np.ndarray]) -> list[Instances]:
        """Instances corrected by the postprocessors, one after the other.

        Args:
            found: in each image, as the decoder gives them.
            originals: an image ``(H, W, 3) uint8`` RGB for each, or none, if no postprocessor looks at them.

        Raises:
            ValueError: one needs them.
        """
        blind = [type(step).__name__ for step in self.postprocessors if step.needs_image and not originals]
        if blind:
            raise ValueError(
                f"{blind[0]} needs the original images, but the batch holds none; put dict(type='KeepOriginal') "
                "first in the pipeline of the test data"
            )
        nothing: Sequence[np.ndarray | None] = [None] * len(found)
        images = originals or nothing
        for step in self.postprocessors:
            found = [step(instances, image) for instances, image in zip(found, images, strict=True)]
            if strangers := [one for one in found if not isinstance(one, Instances)]:
                raise ValueError(f"{type(step).__name__} must return Instances, got {type(strangers[0]).__name__}")
        return found
