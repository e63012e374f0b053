"""A postprocessor of one's own, outside the package: people keep their number from frame to frame."""

from dataclasses import replace

import numpy as np

from aemm.records import Instances
from aemm.registry import POSTPROCESSORS


@POSTPROCESSORS.register_module()
class NumberPeople:
    """Everybody gets the number of somebody with nearly the same tag in the frame before, or a new one."""

    def __init__(self) -> None:
        self.needs_image = False
        self.reset()

    def reset(self) -> None:
        """Begin at 0."""
        self.tags, self.count = {}, 0

    def __call__(self, found: Instances, image: np.ndarray | None) -> Instances:
        """The same people, with ``track_ids``."""
        before, self.tags = self.tags, {}
        for tag in found.tags:
            known = (n for n, old in before.items() if n not in self.tags and np.linalg.norm(tag - old) < 1)
            self.tags[number := next(known, self.count)] = tag
            self.count = max(self.count, number + 1)
        return replace(found, track_ids=np.array(list(self.tags), np.int64))
