"""Networks of recipes with random weights that find people all the same, in widths for tests and in full.

Convolutions start as He et al. (2015) advise, batch norms get the statistics of the images at hand. Behind the head, a
factor and an offset for each channel bring the maps to the range of a trained network: as many peaks exceed the
threshold as in an image with a few people, and tags lie some thresholds apart.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from aemm.apis import Inferencer
from aemm.engine import load_config, set_views
from aemm.ops.heatmap import nms
from aemm.registry import TRANSFORMS
from aemm.structures import Maps

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
PEAKS = 3  # of each keypoint in an image by which the maps are brought to the range
SHARE = 0.05  # of the cells that belong to a mask of each class, likewise
SLIGHT = 0.01  # standard deviation of heat to begin with, so that nothing that cuts heat off changes it
HIGHEST = 0.6  # heat in these images; the authors cut it off at 1
SPREAD = 2.0  # standard deviation of tags


@dataclass(frozen=True)
class Recipe:
    """A network to export.

    Attributes:
        config: of the shipped recipe.
        backbone: settings that replace the recipe's.
        head: likewise.
        multiple_of: both sides of its input are multiples of it, pixels.
        flip: whether it looks at mirror images, too.
    """

    config: str
    backbone: dict[str, Any] = field(default_factory=dict)
    head: dict[str, Any] = field(default_factory=dict)
    multiple_of: int = 32
    flip: bool = False


_HRNET = dict(width=8, modules=(1, 1, 1), blocks=1)
_DECONVOLVED = dict(deconv_channels=(32, 32, 32))
RECIPES = {
    ("hourglass", "tiny"): Recipe("synthetic/pose_hourglass_tiny_128.py"),
    ("hourglass", "full"): Recipe("pose/hourglass4_coco_512.py", multiple_of=64),
    ("HRNet", "tiny"): Recipe("pose/hrnet_w32_coco_512.py", _HRNET, flip=True),
    ("HRNet", "full"): Recipe("pose/hrnet_w32_coco_512.py"),
    ("HigherHRNet", "tiny"): Recipe("pose/higherhrnet_w32_coco_512.py", _HRNET, dict(blocks=1), flip=True),
    ("HigherHRNet", "full"): Recipe("pose/higherhrnet_w32_coco_512.py"),
    ("ResNet-50", "tiny"): Recipe("pose/resnet50_coco_512.py", dict(width=8), _DECONVOLVED, flip=True),
    ("ResNet-50", "full"): Recipe("pose/resnet50_coco_512.py"),
    ("MobileNetV2", "tiny"): Recipe("pose/mobilenet_v2_coco_512.py", dict(widen=0.25), _DECONVOLVED, flip=True),
    ("MobileNetV2", "full"): Recipe("pose/mobilenet_v2_coco_512.py"),
    ("instance hourglass", "tiny"): Recipe("synthetic/instance_hourglass_tiny_128.py"),
    ("instance hourglass", "full"): Recipe("instance/hourglass4_voc_256.py", multiple_of=64),
}


class Ranged(nn.Module):
    """A head whose maps are brought to a range.

    Args:
        head: of the network.
        maps: that it predicts for some images.
    """

    def __init__(self, head: Any, maps: Maps) -> None:
        super().__init__()
        self.head = head
        heat, tags = maps.heatmaps, maps.need_tags()
        self.register_buffer("scale", SLIGHT / heat.std((0, 2, 3), keepdim=True)[0])
        self.register_buffer("offset", -heat.mean((0, 2, 3), keepdim=True)[0] * self.scale)
        self.register_buffer("tag_scale", SPREAD / tags.std((0, 3, 4), keepdim=True)[0])
        self.register_buffer("tag_offset", -tags.mean((0, 3, 4), keepdim=True)[0] * self.tag_scale)

    def stretch(self, heat: torch.Tensor, threshold: float, masks: bool) -> None:
        """Let as many peaks or cells exceed the threshold as there are to be, and none exceed ``HIGHEST``.

        Args:
            heat: ``(B, C, h, w)``, as the decoder gets it now.
            threshold: of the decoder.
            masks: whether it counts cells, and not peaks.
        """
        peaks = heat if masks else nms(heat - heat.amin(), 5) + heat.amin()
        count = SHARE * heat.numel() if masks else PEAKS * heat.shape[0] * heat.shape[1]
        least = peaks.flatten().topk(round(count)).values[-1]
        scale = (HIGHEST - threshold) / (heat.max() - least)
        self.scale *= scale
        self.offset.copy_(self.offset * scale + threshold - least * scale)

    def forward(self, feats: tuple[torch.Tensor, ...]) -> list[Maps]:
        """One for each stage, as the head gives them."""
        return self.head(feats)

    def predict(self, stages: list[Maps]) -> Maps:
        """What the head predicts, brought to the range."""
        maps = self.head.predict(stages)
        return Maps(maps.heatmaps * self.scale + self.offset, maps.need_tags() * self.tag_scale + self.tag_offset)


def fit_of_size(cfg: Config, size: tuple[int, int], multiple_of: int) -> dict[str, Any]:
    """The step that brings images of the proportions of ``size`` to that input, or the next that the network takes."""
    side = -(-max(size) // multiple_of) * multiple_of
    convention = cfg.test_dataloader.dataset.pipeline[-1].get("convention", "continuous")
    return dict(type="ResizeToFit", size=side, multiple_of=multiple_of, convention=convention)


def random_inferencer(recipe: Recipe, images: list[np.ndarray], size: tuple[int, int]) -> tuple[Config, Inferencer]:
    """Config and model of a recipe, which finds people in images.

    Args:
        recipe: of the network.
        images: of the proportions of ``size``, by which its maps are brought to the range.
        size: height and width to which they are brought; in larger images there are more peaks, in smaller ones fewer.
    """
    cfg = load_config(str(CONFIGS / recipe.config))
    for part in (cfg.model.backbone, cfg.model.head):
        part.pop("init_cfg", None)
    cfg.model.backbone.update(recipe.backbone)
    cfg.model.head.update(recipe.head)
    set_views(cfg, None, recipe.flip)
    fit = fit_of_size(cfg, size, recipe.multiple_of)
    cfg.test_dataloader.dataset.pipeline = [fit]
    torch.manual_seed(0)
    inferencer = Inferencer(cfg, None, "cpu", thinning=None)
    _start(inferencer, images)
    return cfg, inferencer


@torch.no_grad()
def _start(inferencer: Inferencer, images: list[np.ndarray]) -> None:
    """Weights and statistics, and the range of the maps."""
    model = inferencer.model
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    batches = [model.data_preprocessor(inferencer.batch(image))["batch"] for image in images]
    pixels = torch.cat([batch.images[0] for batch in batches])
    for norm in norms:
        norm.train().momentum = 1.0
    model.network(pixels)
    model.eval()
    model.head = Ranged(model.head, model.network(pixels))
    heat = torch.cat([model.maps(batch).heatmaps for batch in batches])
    model.head.stretch(heat, model.decoder.threshold, hasattr(model.decoder, "mask_rules"))


def look_at_size(inferencer: Inferencer, step: dict[str, Any]) -> dict[str, Any]:
    """Let a model bring images to another size, and return what its exported file has to be told of that."""
    resize = TRANSFORMS.build(dict(step))
    inferencer.pipeline = [resize]
    return asdict(resize.rules)
