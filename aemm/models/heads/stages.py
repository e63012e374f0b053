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
    grouping_loss: nn.Module,
    combine: str,
    train_heatmaps: Sequence[bool],
) -> dict[str, Tensor]:
    """Losses of all stages, each against the target of its size.

    Args:
        stages: maps of every stage; those with tags are trained to group.
        targets: one for each size.
        heatmap_loss: of ``(heatmaps, target, weight)``.
        grouping_loss: of ``(tags, tag_index)``, gives pull and push.
        combine: ``'mean'`` or ``'sum'`` over the stages.
        train_heatmaps: for each stage whether its heatmaps are trained.

    Returns:
        ``loss_heatmap``, ``loss_pull``, ``loss_push``, and ``tag_spread`` (a diagnostic, no part of
        the objective) where an image holds two instances or more.

    Raises:
        ValueError: a stage meets no target of its size, or has tags where the target has none.
    """
    sums: dict[str, list[Tensor]] = {"loss_heatmap": [], "loss_pull": [], "loss_push": []}
    spread = None
    for maps, has_heatmaps in zip(stages, train_heatmaps, strict=True):
        target = target_of(maps, targets)
        if has_heatmaps:
            sums["loss_heatmap"].append(heatmap_loss(maps.heatmaps, target.heatmaps, target.weight))
        if maps.tags is not None:
            if target.tag_index is None:
                raise ValueError(
                    f"a stage predicts tags of {maps.size} cells, but the target of that size has no tag_index; "
                    "check tag_strides of the targets"
                )
            pull, push = grouping_loss(maps.tags, target.tag_index)
            sums["loss_pull"].append(pull)
            sums["loss_push"].append(push)
            spread = tag_spread(maps.tags, target.tag_index)
    share = 1 / len(stages) if combine == "mean" else 1.0
    losses = {name: torch.stack(parts).sum() * share for name, parts in sums.items() if parts}
    return losses if spread is None else losses | {"tag_spread": spread}
