"""Settings that make every registered backbone small enough for a test."""

from importlib import import_module

import pytest

from aemm.registry import MODELS

SMALL = {
    "HourglassAE": dict(width=8, growth=4, depth=2, stem=(4, 8, 8)),
    "HRNet": dict(width=8, modules=(1, 1, 1), blocks=1, stem=8),
    "ResNet": dict(width=8),
    "MobileNetV2": dict(widen=0.1),
    "TimmBackbone": dict(name="test_efficientnet"),
    "HuggingFaceBackbone": dict(name=None),
    "FeaturePyramid": dict(channels=8),
}
# of the architectures that recipes name
SMALL_PARTS = {
    "swin": dict(
        embed_dim=8, depths=[1, 1, 2, 1], num_heads=[1, 1, 2, 2], window_size=4, image_size=64, drop_path_rate=0.0
    ),
    "convnextv2": dict(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1]),
}
EXTRAS = {"TimmBackbone": "timm", "HuggingFaceBackbone": "transformers"}


def backbone_names() -> list[str]:
    """Every backbone that aemm registers."""
    MODELS.import_from_location()
    return sorted(n for n, cls in MODELS.module_dict.items() if cls.__module__.startswith("aemm.models.backbones."))


def need_extra(name: str) -> None:
    """Skip the test where the library that a backbone needs is not installed, or does not start beside this torch."""
    if name in EXTRAS:
        try:
            import_module(EXTRAS[name])
        except Exception as error:
            pytest.skip(f"{EXTRAS[name]} cannot be imported: {error}")


def shrink_backbone(backbone) -> None:
    """Make the backbone of a config small, and the one within it; no weights are loaded."""
    need_extra(backbone["type"])
    backbone.pop("init_cfg", None)
    vit = "vit" in backbone.get("name", "")
    backbone.update(SMALL[backbone["type"]])
    if "pretrained" in backbone:
        backbone["pretrained"] = False
    if vit:
        backbone["name"] = "test_vit"
    if "architecture" in backbone:
        backbone["architecture"].update(SMALL_PARTS[backbone["architecture"]["model_type"]])
    if "backbone" in backbone:
        shrink_backbone(backbone["backbone"])


def small_backbone(name: str, **settings):
    """A small network of that name; the hourglass with two stacks of 6 channels, the pyramid on a ResNet."""
    assert name in SMALL, f"{name} has no settings for tests: add them to SMALL"
    need_extra(name)
    needed = {
        "HourglassAE": dict(out_channels=6, stacks=2, norm_cfg=dict(type="BN")),
        "FeaturePyramid": dict(backbone=dict(type="ResNet", width=8), strides=(4, 16)),
        "HuggingFaceBackbone": dict(architecture=dict(model_type="swin", **SMALL_PARTS["swin"]), stages=(1, -1)),
        "TimmBackbone": dict(stages=(1, -1)),
    }
    return MODELS.build(dict(type=name) | SMALL[name] | needed.get(name, {}) | settings)
