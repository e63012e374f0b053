"""Settings that make every registered backbone small enough for a test."""

from aemm.registry import MODELS

SMALL = {
    "HourglassAE": dict(width=8, growth=4, depth=2, stem=(4, 8, 8)),
    "HRNet": dict(width=8, modules=(1, 1, 1), blocks=1, stem=8),
    "ResNet": dict(width=8),
    "MobileNetV2": dict(widen=0.1),
}


def backbone_names() -> list[str]:
    """Every backbone that aemm registers."""
    MODELS.import_from_location()
    return sorted(n for n, cls in MODELS.module_dict.items() if cls.__module__.startswith("aemm.models.backbones."))


def small_backbone(name: str, **settings):
    """A small network of that name; the hourglass with two stacks of 6 channels."""
    assert name in SMALL, f"{name} has no settings for tests: add them to SMALL"
    needed = dict(out_channels=6, stacks=2, norm_cfg=dict(type="BN")) if name == "HourglassAE" else {}
    return MODELS.build(dict(type=name, **SMALL[name], **needed, **settings))
