"""Drawing of poses, masks, heatmaps and tags."""

from aemm.visualization.draw import (
    SeenMaps,
    draw_heatmaps,
    draw_masks,
    draw_pose,
    draw_result,
    draw_tags,
    draw_truth,
    line_width,
    save_picture,
    side_by_side,
)
from aemm.visualization.palette import instance_color
from aemm.visualization.targets import draw_of_batch, draw_sample, stack, target_panels

__all__ = [
    "SeenMaps",
    "draw_heatmaps",
    "draw_masks",
    "draw_of_batch",
    "draw_pose",
    "draw_result",
    "draw_sample",
    "draw_tags",
    "draw_truth",
    "instance_color",
    "line_width",
    "save_picture",
    "side_by_side",
    "stack",
    "target_panels",
]
