"""A decoder of one's own, outside the package: every peak of a heatmap counts by itself."""

import numpy as np

from aemm.geometry import apply_warp
from aemm.ops.heatmap import top_peaks
from aemm.records import Instances
from aemm.registry import DECODERS
from aemm.structures import Batch, Maps


@DECODERS.register_module()
class PeakDecoder:
    """Instances of a single point, whose label is the channel that it was found in."""

    def __init__(self, channels: int, threshold: float = 0.1) -> None:
        self.flip_index, self.threshold = tuple(range(channels)), threshold

    def __call__(self, maps: Maps, batch: Batch) -> list[Instances]:
        """One Instances for each image."""
        peaks, found = top_peaks(maps, 30, self.threshold, window=5), []
        for b, (image_id, size) in enumerate(zip(batch.image_ids, batch.image_sizes, strict=True)):
            scores = peaks.scores[b].cpu().numpy()  # (C, M)
            label, peak = np.nonzero(scores)
            points = apply_warp(peaks.cells[b].cpu().numpy()[label, peak] + 0.5, batch.map_warp(b, maps.size))
            scores = scores[label, peak]
            found.append(Instances(image_id, size, scores, None, points[:, None], scores[:, None], labels=label))
        return found
