"""A checkpoint for one set of keypoints made ready for another: map channels go by the names of keypoints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from aemm.engine.launch import build_model
from aemm.formats.checkpoint import check_state, read_checkpoint, weights_of, write_checkpoint
from aemm.skeletons import Skeleton

# entries with map channels, and the axis of these
_PROJECTED = {r"head\.convs\.\d+\.(weight|bias)": 0}
_FED_BACK = {r"head\.deconvs\.\d+\.0\.0\.weight": 0}  # of a transposed convolution the input comes first
_SPLIT = {r"backbone\.outs\.\d+\.conv\.(weight|bias)": 0, r"backbone\.merge_preds\.\d+\.conv\.weight": 1}


class KeypointMap(NamedTuple):
    """The outcome of :func:`map_keypoints`.

    Attributes:
        state: entries for the target model, all of them.
        kept: map channels that came from the source.
        new: map channels that the target drew.
        dropped: map channels of the source that the target has no use for.
    """

    state: dict[str, Tensor]
    kept: list[str]
    new: list[str]
    dropped: list[str]


def _skeleton(model: Any) -> Skeleton:
    """The keypoints of a model.

    Raises:
        ValueError: it has none, or another number than heatmaps.
    """
    skeleton: Skeleton | None = getattr(model.decoder, "skeleton", None)
    if skeleton is None:
        raise ValueError(f"{type(model.decoder).__name__} has no skeleton, so its model has no keypoints to map")
    if len(skeleton) != model.head.num_heatmaps:
        raise ValueError(
            f"decoder.skeleton {skeleton.name!r} has {len(skeleton)} keypoints, but head.num_heatmaps is "
            f"{model.head.num_heatmaps}; correct the config"
        )
    return skeleton


def _map_axes(head: Any) -> dict[str, int]:
    """Patterns of the entries with map channels, and the axis of these."""
    if not head.convs:
        return _SPLIT
    # a deconvolution between two projections receives what the first one predicts
    return _PROJECTED | (_FED_BACK if len(head.deconvs) < len(head.convs) else {})


def _channel_names(model: Any, count: int) -> list[str]:
    """What each of ``count`` map channels is, in the order of :func:`aemm.models.heads.stages.split_maps`."""
    head, keypoints = model.head, _skeleton(model).keypoints
    owners = keypoints if head.num_tags == len(keypoints) else ("all keypoints",)
    names = [f"heatmap of {name}" for name in keypoints]
    tags = [f"tag {dim} of {name}" for name in owners for dim in range(head.tag_dims)]
    if count >= len(names) + len(tags):
        names += tags
    return names + [f"spare {i}" for i in range(count - len(names))]


def _names_along(model: Any, entry: str, axis: int) -> tuple[int, list[str]]:
    """How many channels of an entry are features, and the names of those behind them."""
    count = model.state_dict()[entry].shape[axis]
    features = 0
    if re.fullmatch(next(iter(_FED_BACK)), entry):
        features = count - model.head.convs[int(entry.split(".")[2])].out_channels
    return features, _channel_names(model, count - features)


def map_keypoints(state: Mapping[str, Tensor], source: nn.Module, target: nn.Module) -> KeypointMap:
    """The entries of one model for another that differs in its keypoints alone.

    Heatmaps and tags of keypoints with one name in both go over; what only the target has keeps the
    values it was built with. Channels that no map uses go over in their order.

    Args:
        state: entries of a checkpoint of ``source``.
        source: an :class:`~aemm.models.Embedder` with a pose decoder.
        target: another, of the same networks.

    Raises:
        CheckpointError: ``state`` is not of ``source``, or the two differ in more than their keypoints.
        ValueError: a model has no skeleton, or one that does not go with its head.
    """
    given = {name.removeprefix("module."): value for name, value in state.items()}
    check_state(source, given)
    own, axes = target.state_dict(), _map_axes(target.head)
    mapped = dict(given)
    fate: dict[str, dict[str, None]] = {"kept": {}, "new": {}, "dropped": {}}  # inner dicts are ordered sets
    for name, value in own.items():
        axis = next((axis for pattern, axis in axes.items() if re.fullmatch(pattern, name)), None)
        if axis is None or name not in given:
            continue
        features, before = _names_along(source, name, axis)
        wanted, after = _names_along(target, name, axis)
        if wanted != features or value.movedim(axis, -1).shape[:-1] != given[name].movedim(axis, -1).shape[:-1]:
            continue  # two different networks, which the check below reports
        place = {channel: features + i for i, channel in enumerate(before)}
        fresh, old = value.clone().movedim(axis, 0), given[name].movedim(axis, 0)
        fresh[:features] = old[:features]
        for i, channel in enumerate(after, features):
            fate["kept" if channel in place else "new"][channel] = None
            if channel in place:
                fresh[i] = old[place[channel]]
        fate["dropped"] |= dict.fromkeys(channel for channel in before if channel not in after)
        mapped[name] = fresh.movedim(0, axis).contiguous()
    check_state(target, mapped)
    return KeypointMap(mapped, *(list(fate[key]) for key in ("kept", "new", "dropped")))


def map_keypoints_file(source: str, source_config: str, config: str, target: str, seed: int = 0) -> KeypointMap:
    """Write a checkpoint for the keypoints of one config as one to fine-tune from with another.

    Args:
        source: the checkpoint.
        source_config: the config it belongs to.
        config: the config to go on with.
        target: where to write the result.
        seed: of the channels that are drawn.

    Raises:
        CheckpointError: the file cannot be read safely, or the two configs differ in more than their keypoints.
    """
    models = []
    for path in (source_config, config):
        torch.manual_seed(seed)
        models.append(build_model(path))
    checkpoint = read_checkpoint(source)
    found = map_keypoints(weights_of(checkpoint, source), *models)
    skeletons = [_skeleton(model).name for model in models]
    write_checkpoint({"state_dict": found.state, "meta": {"keypoints_mapped": skeletons}}, target)
    return found
