"""What every head does with its stages: split channels into maps, meet the targets, sum the losses."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aemm.ops.tags import tag_spread
from aemm.structures import Maps, Targets


def check_stages(stages: str) -> None:
    """Raise unless ``stages`` says how the losses of several stages combine.

    Raises:
        ValueError: it is neither ``'mean'`` nor ``'sum'``.
    """
    if stages not in ("mean", "sum"):
        raise ValueError(f"stages must be 'mean' or 'sum', got {stages!r}")


def split_maps(maps: Tensor, num_heatmaps: int, num_tags: int, tag_dims: int) -> Maps:
    """Channels as heatmaps and tags.

    Args:
        maps: ``(B, C + T L, h, w)``; what a published network has beyond is unused.
        num_heatmaps: C.
        num_tags: T; 0 where a stage has no tags.
        tag_dims: L.
    """
    count = num_tags * tag_dims
    # the gradient of a split is one concatenation, that of slices a map of zeros for each
    heatmaps, tags, _ = maps.split([num_heatmaps, count, maps.shape[1] - num_heatmaps - count], dim=1)
    return Maps(heatmaps, tags.unflatten(1, (num_tags, tag_dims)) if num_tags else None)


def target_of(maps: Maps, targets: Sequence[Targets]) -> Targets:
    """The target whose maps have the size of ``maps``.

    Raises:
        ValueError: no target has that size.
    """
    for target in targets:
        if target.size == maps.size:
            return target
    sizes = [target.size for target in targets]
    raise ValueError(
        f"a stage predicts maps of {maps.size} cells, but the targets have {sizes}; check PoseTargets.strides"
    )


def stage_losses(
    stages: Sequence[Maps],
    targets: Sequence[Targets],
    heatmap_loss: nn.Module,
    grouping_loss: nn.Module | None,
    combine: str,
    train_heatmaps: Sequence[bool],
) -> dict[str, Tensor]:
    """Losses of all stages, each against the target of its size.

    Args:
        stages: maps of every stage; those with tags are trained to group.
        targets: one for each size.
        heatmap_loss: of ``(heatmaps, target, weight)``, gives terms by name.
        grouping_loss: of ``(tags, tag_index)``, likewise; None where no stage has tags.
        combine: ``'mean'`` or ``'sum'`` over the stages.
        train_heatmaps: for each stage whether its heatmaps are trained.

    Returns:
        Every term that a loss gave, such as ``loss_heatmap``, ``loss_pull`` and ``loss_push``.

    Raises:
        ValueError: a stage meets no target of its size or number of heatmaps, or has tags where the target has none; or
            a loss gives no terms by name, none that is minimised, or one that is no scalar of the network and not zero.
    """
    parts: dict[str, list[Tensor]] = {}
    for maps, has_heatmaps in zip(stages, train_heatmaps, strict=True):
        target = target_of(maps, targets)
        terms = _heatmap_terms(heatmap_loss, maps, target) if has_heatmaps else []
        if maps.tags is not None and grouping_loss is not None:
            terms += _terms(grouping_loss, maps.tags, need_tag_index(maps, target))
        for name, value in terms:
            parts.setdefault(name, []).append(value)
    share = 1 / len(stages) if combine == "mean" else 1.0
    return {name: torch.stack([value.reshape(()) for value in values]).sum() * share for name, values in parts.items()}


def _heatmap_terms(loss: nn.Module, maps: Maps, target: Targets) -> list[tuple[str, Tensor]]:
    heatmaps = target.need_heatmaps()
    if maps.heatmaps.shape != heatmaps.shape:  # a single one would be compared with all
        raise ValueError(
            f"a stage predicts heatmaps (B, C, h, w) of {tuple(maps.heatmaps.shape)}, but the targets are of "
            f"{tuple(heatmaps.shape)}; does the head make as many as num_heatmaps tells it?"
        )
    return _terms(loss, maps.heatmaps, heatmaps, target.weight)


def _terms(loss: nn.Module, maps: Tensor, *targets: Tensor) -> list[tuple[str, Tensor]]:
    """Name and value of every term of a loss."""
    terms, name = loss(maps, *targets), type(loss).__name__
    if not isinstance(terms, dict):
        raise ValueError(
            f"{name} must return its terms by name, such as {{'loss_heatmap': value}}, got {type(terms).__name__}"
        )
    if not any("loss" in key for key in terms):
        raise ValueError(
            f"{name} returns {', '.join(terms) or 'no terms'}, of which nothing is minimised; the name of a term that "
            "is to be has 'loss' in it"
        )
    learns = maps.requires_grad and torch.is_grad_enabled()
    for key, value in terms.items():
        if not isinstance(value, Tensor) or value.numel() != 1:
            got = f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"{name}: {key} must be a tensor of one number, got {got}")
        if "loss" in key and learns and not value.requires_grad and bool(value):  # zero may stand for nobody there
            raise ValueError(
                f"{name}: {key} does not depend on the network, so that nothing is learnt from it; was it detached, or "
                "made from plain numbers?"
            )
    return list(terms.items())


def need_tag_index(maps: Maps, target: Targets) -> Tensor:
    """Where the tags of a stage are read, ``(B, N, P)``.

    Raises:
        ValueError: the target has no such places.
    """
    if target.tag_index is None:
        raise ValueError(
            f"a stage predicts tags of {maps.size} cells, but the target of that size has no tag_index; "
            "check tag_strides of the targets"
        )
    return target.tag_index


def spread_of(maps: Maps, targets: Sequence[Targets]) -> dict[str, Tensor]:
    """``tag_spread`` of the stage that is decoded, a diagnostic and no part of the objective; empty without tags.

    See :func:`aemm.ops.tags.tag_spread`.
    """
    if maps.tags is None:
        return {}
    return {"tag_spread": tag_spread(maps.tags, need_tag_index(maps, target_of(maps, targets)))}
