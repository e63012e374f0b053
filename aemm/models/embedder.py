"""The one model: backbone, head, decoder."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseModel
from torch import Tensor

from aemm.registry import DECODERS, MODELS
from aemm.structures import Batch, Instances, Maps


@MODELS.register_module()
class Embedder(BaseModel):
    """A network that detects and groups in one pass, for keypoints or for masks.

    Args:
        backbone: config of a registered backbone.
        head: config of a registered head; it is told the backbone's channels.
        decoder: config of a registered decoder.
        data_preprocessor: config of the preprocessor.
        init_cfg: mmengine's initialisation config.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        head: dict[str, Any],
        decoder: dict[str, Any],
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(MODELS.build(data_preprocessor or dict(type="Preprocessor")), init_cfg)
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(head, default_args=dict(in_channels=self.backbone.channels))
        self.decoder = DECODERS.build(decoder)

    def forward(self, batch: Batch, mode: str = "tensor") -> dict[str, Tensor] | list[Instances] | Maps:
        """Run the network.

        Args:
            batch: as the preprocessor returns it.
            mode: ``'loss'`` for a dict of losses, ``'predict'`` for the instances of each image,
                ``'tensor'`` for the maps that would be decoded.
        """
        if mode == "loss":
            return self.head.loss(self.head(self.backbone(batch.images[0])), batch.targets)
        maps = self.head.predict(self.head(self.backbone(batch.images[0]))).float()
        return maps if mode == "tensor" else self.decoder(maps, batch)
