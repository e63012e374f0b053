"""What a network is taught, drawn over the image that it sees."""

from __future__ import annotations

import cv2
import numpy as np

from aemm.structures import Maps, Targets
from aemm.visualization.draw import draw_heatmaps, instance_color, line_width


def draw_targets(image: np.ndarray, targets: Targets, index: int) -> np.ndarray:
    """Heatmaps as colours, dots where tags are read, one colour for each instance, and dark where no loss looks.

    Args:
        image: ``(H, W, 3) uint8`` RGB, as the network sees it.
        targets: of a batch, not packed.
        index: which image of the batch.
    """
    heatmaps = targets.need_heatmaps()
    picture = draw_heatmaps(image, Maps(heatmaps), index)
    size = (image.shape[1], image.shape[0])
    weight = cv2.resize(targets.weight[index].float().numpy(), size, interpolation=cv2.INTER_NEAREST)
    picture[weight == 0] //= 3
    if targets.tag_index is None:
        return picture
    height, width = targets.size
    radius = line_width(image.shape[:2]) + 1
    for n, places in enumerate(targets.tag_index[index].numpy()):
        cells = places[places >= 0] % (height * width)
        xs = (cells % width + 0.5) * image.shape[1] / width
        ys = (cells // width + 0.5) * image.shape[0] / height
        for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
            cv2.circle(picture, (int(x), int(y)), radius + 1, (255, 255, 255), -1, cv2.LINE_AA)
            cv2.circle(picture, (int(x), int(y)), radius, instance_color(n), -1, cv2.LINE_AA)
    return picture
