"""A transform of one's own, outside the package: now and then a picture loses its colours."""

from dataclasses import replace

from aemm.registry import TRANSFORMS
from aemm.structures import Sample


@TRANSFORMS.register_module()
class RandomGray:
    """Grey in place of colours.

    Args:
        probability: of being applied.
    """

    def __init__(self, probability: float = 0.1) -> None:
        self.probability = probability

    def __call__(self, sample: Sample) -> Sample:
        """The sample, or one with another image; whatever else it holds stays."""
        if sample.rng.random() >= self.probability:  # the sample's own numbers: the same again after --resume
            return sample
        gray = sample.image.mean(axis=2, keepdims=True).round().astype(sample.image.dtype)
        return replace(sample, image=gray.repeat(3, axis=2))
