"""The one model: backbone, head, decoder, and what stands around them in testing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModel
from torch import Tensor

from aemm.registry import DECODERS, MODELS, POSTPROCESSORS
from aemm.structures import Batch, Instances, Maps


@MODELS.register_module()
class Embedder(BaseModel):
    """A network that detects and groups in one pass, for keypoints or for masks.

    Args:
        backbone: config of a registered backbone.
        head: config of a registered head; it is told the backbone's channels.
        decoder: config of a registered decoder.
        data_preprocessor: config of the preprocessor.
        tta: config of the test-time augmentation, which is told the decoder's ``flip_index``; by default
            the scales of a batch are merged, nothing is mirrored.
        postprocessors: configs of what corrects the instances of an image, one after the other; they see
            the original image, which ``KeepOriginal`` at the head of the test pipeline keeps.
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: the decoder cannot do what the test-time augmentation asks for.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        head: dict[str, Any],
        decoder: dict[str, Any],
        data_preprocessor: dict[str, Any] | None = None,
        tta: dict[str, Any] | None = None,
        postprocessors: Sequence[dict[str, Any]] = (),
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(MODELS.build(data_preprocessor or dict(type="Preprocessor")), init_cfg)
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(head, default_args=dict(in_channels=self.backbone.channels))
        self.decoder = DECODERS.build(decoder)
        mirrored = dict(flip_index=getattr(self.decoder, "flip_index", None))
        self.tta = MODELS.build(tta or dict(type="TestTimeAugmentation"), default_args=mirrored)
        if self.tta.merge == "instances" and not hasattr(self.decoder, "merge"):
            raise ValueError(
                f"tta.merge='instances' needs a decoder with a method merge, {type(self.decoder).__name__} has none; "
                "use merge='maps'"
            )
        self.postprocessors = [POSTPROCESSORS.build(step) for step in postprocessors]

    def forward(self, batch: Batch, mode: str = "tensor") -> dict[str, Tensor] | list[Instances] | Maps:
        """Run the network.

        Args:
            batch: as the preprocessor returns it.
            mode: ``'loss'`` for a dict of losses, ``'predict'`` for the instances of each image,
                ``'tensor'`` for the maps that would be decoded, or where every scale is decoded by
                itself, those of the base scale.
        """
        if mode == "loss":
            return self.head.loss(self.head(self.backbone(batch.images[0])), batch.targets)
        if mode == "tensor":
            return next(self.tta.views(self._maps, batch)) if self.tta.merge == "instances" else self._merged(batch)
        return self._postprocess(self._decode(batch), batch)

    def _maps(self, image: Tensor) -> Maps:
        """What the head predicts for images ``(B, 3, H, W)``, in float32."""
        return self.head.predict(self.head(self.backbone(image))).float()

    def _merged(self, batch: Batch) -> Maps:
        return self.tta(self._maps, batch)

    def _decode(self, batch: Batch) -> list[Instances]:
        if self.tta.merge == "maps":
            return self.decoder(self._merged(batch), batch)
        return self.decoder.merge([self.decoder(maps, batch) for maps in self.tta.views(self._maps, batch)])

    def _postprocess(self, found: list[Instances], batch: Batch) -> list[Instances]:
        if not self.postprocessors:
            return found
        if not batch.originals:
            raise ValueError(
                "postprocessors need the original images, but the batch holds none; put dict(type='KeepOriginal') "
                "first in the pipeline of the test data"
            )
        for step in self.postprocessors:
            found = [step(image, instances) for image, instances in zip(batch.originals, found, strict=True)]
        return found
