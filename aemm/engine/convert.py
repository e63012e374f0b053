"""Checkpoints of other projects brought to aemm's entry names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from aemm.engine.launch import build_model
from aemm.formats.checkpoint import CheckpointError, model_faults, read_checkpoint, weights_of, write_checkpoint

Rename = Callable[[str], str]
Rule = tuple[str, str | Callable[[re.Match[str]], str]]


def renamer(rules: Sequence[Rule]) -> Rename:
    """A function from the name of a foreign entry to aemm's.

    Args:
        rules: pairs of a regular expression and its replacement, a text or a function of the match;
            all are applied in order.
    """

    def rename(name: str) -> str:
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        return name

    return rename


def convert_state(state: Mapping[str, Tensor], rename: Rename, model: nn.Module, name: str = "") -> dict[str, Tensor]:
    """The entries of ``state`` under aemm's names, checked against the model that is to load them.

    Args:
        state: entries of a foreign checkpoint.
        rename: from :func:`renamer`.
        model: the model as built from its config.
        name: of the file, for the message.

    Raises:
        CheckpointError: listing every entry that has no place in the model, has another shape, or is missing.
    """
    placed: dict[str, Tensor] = {}
    of = f" {name}" if name else ""
    for key, value in state.items():
        new = rename(key)
        if new in placed:
            raise CheckpointError(f"two entries of the checkpoint{of} become {new}; {key} is the second")
        placed[new] = value
    if faults := model_faults(model, placed):
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise CheckpointError(
            f"the checkpoint{of} does not fit the model ({len(faults)} faults):{listed}\n"
            "Is it of this layout, and does the config describe the network it was trained with?"
        )
    return placed


def convert_file(source: str, config: str, target: str, layout: str) -> int:
    """Write a foreign checkpoint as one that ``tools/test.py`` and ``tools/train.py`` load.

    Args:
        source: the foreign file; loaded without running any code that it may hold.
        config: of the model that is to load the result.
        target: where to write it.
        layout: one of :data:`LAYOUTS`.

    Returns:
        How many entries were converted, which are all the entries of the model.

    Raises:
        CheckpointError: the file cannot be read safely, or does not fit the model.
    """
    model = build_model(config)
    checkpoint = read_checkpoint(source)
    state = convert_state(weights_of(checkpoint, source), LAYOUTS[layout], model, source)
    write_checkpoint({"state_dict": state, "meta": {"layout": layout}}, target)
    return len(state)


def _mobilenet_block(found: re.Match[str]) -> str:
    """``layer2.1.conv.2.bn`` as ``features.3.conv.3``: blocks counted through, norms beside their convolutions."""
    layer, block, place = (int(part) for part in found.group(1, 2, 3))
    first = (1, 2, 4, 7, 11, 14, 17)[layer - 1]
    last = 1 if layer == 1 else 2  # the linear convolution; the first layer does not widen
    norm = found[4] == "bn"
    return f"features.{first + block}.conv." + (f"{last + norm}." if place == last else f"{place}.{int(norm)}.")


def _flat_deconv(found: re.Match[str]) -> str:
    """``deconv_layers.4`` as ``deconvs.0.1.1``: convolution, norm and ReLU of each, in threes."""
    return f"deconvs.0.{int(found[1]) // 3}.{int(found[1]) % 3}."


_UNWRAP = (r"^(?:module\.)?", "")
_HOURGLASS = [
    (r"(?<=\.)up1\.", "skip."),
    (r"(?<=\.)low1\.", "down."),
    (r"(?<=\.)low2\.", "inner."),
    (r"(?<=\.)low3\.", "up."),
]
_HIGHER_HEAD = [
    (r"^(head\.)?final_layers\.", "head.convs."),
    (r"^(head\.)?deconv_layers\.(\d+\.\d+\.)0\.(?=conv|bn)", r"head.deconvs.\2"),
    (r"^(head\.)?deconv_layers\.(\d+\.\d+\.\d+\.)", r"head.deconvs.\2"),
]
_NEWELL: list[Rule] = [
    (r"^(?:model\.)?(?:module\.)?", ""),
    (r"^pre\.", "stem."),
    *_HOURGLASS,
    (r"^(merge_\w+\.\d+)\.conv\.conv\.", r"\1.conv."),
    (r"^", "backbone."),
]
_HIGHERHRNET: list[Rule] = [_UNWRAP, *_HIGHER_HEAD, (r"^(?!head\.)", "backbone.")]
_MMPOSE: list[Rule] = [
    _UNWRAP,
    (r"^keypoint_head\.", "head."),
    *_HIGHER_HEAD,
    (r"^head\.final_layer\.", "head.convs.0."),
    (r"(?<=^head\.)deconv_layers\.(\d+)\.", _flat_deconv),
    *_HOURGLASS,
    (r"^backbone\.hourglass_modules\.", "backbone.features."),
    (r"^backbone\.out_convs\.", "backbone.outs."),
    (r"^backbone\.remap_out_convs\.", "backbone.merge_preds."),
    (r"^backbone\.remap_feature_convs\.", "backbone.merge_features."),
    (r"(?<=^backbone\.)layer(\d)\.(\d+)\.conv\.(\d)\.(conv|bn)\.", _mobilenet_block),
    (r"^backbone\.conv1\.conv\.", "backbone.features.0.0."),
    (r"^backbone\.conv1\.bn\.", "backbone.features.0.1."),
    (r"^backbone\.conv2\.conv\.", "backbone.features.18.0."),
    (r"^backbone\.conv2\.bn\.", "backbone.features.18.1."),
]

LAYOUTS: dict[str, Rename] = {
    "newell": renamer(_NEWELL),
    "higherhrnet": renamer(_HIGHERHRNET),
    "mmpose": renamer(_MMPOSE),
}
"""How the entries of each source become aemm's.

- ``newell``: the authors' PoseNet (princeton-vl/pose-ae-train).
- ``higherhrnet``: HRNet and HigherHRNet of HRNet/HigherHRNet-Human-Pose-Estimation.
- ``mmpose``: associative embedding of open-mmlab/mmpose 0.x and 1.x, with any of its backbones.
"""
