"""What an exported file says of itself: everything beside the graph that makes people out of images."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from aemm.geometry import PixelConvention, check_convention
from aemm.runtime.rules import read_record
from aemm.skeletons import Skeleton, build_skeleton

KEY = "aemm"
"""Under which a file's metadata hold its description."""

Task = Literal["pose", "openvino", "instance", "single_person"]
Contract = Literal["aemm", "openvino"]
Precision = Literal["fp32", "fp16", "int8"]


class DeployedModelError(ValueError):
    """An exported file cannot be used; the message names the file, what is wrong with it and the remedy."""


@dataclass(frozen=True)
class Description:
    """The description of an exported file.

    Attributes:
        aemm: version that exported it.
        config: name of the config's file.
        config_hash: SHA-256 of the whole config.
        exporter: what wrote the graph, with versions and opset.
        precision: of the network.
        contract: names and order of outputs: aemm's, or those of Open Model Zoo.
        task: by which rules the outputs are decoded.
        outputs: their names, in order.
        channels: order of the colours of the input, 'RGB' or 'BGR'.
        mean: by which the graph itself normalises, on the scale 0 to 255.
        std: likewise.
        multiple_of: both sides of an input are multiples of it, pixels.
        stride: input pixels for each cell of the maps.
        convention: of the pixels, see :mod:`aemm.geometry`.
        flip: whether the graph looks at the mirror image, too.
        fit: how images are brought to the input's size: fields of :class:`aemm.ops.fitting.FitRules`, or of
            :class:`aemm.ops.openvino.OpenVinoFit` where ``task`` or ``contract`` is 'openvino'.
        rules: of decoding, fields of the rules of its task.
        skeleton: of the keypoints; None where there are none.
        num_classes: of instances; None where there are none.
        refiner: fields of :class:`aemm.ops.refining.RefineRules`, and ``file``, the exported network beside this file.
    """

    aemm: str
    config: str
    config_hash: str
    exporter: str
    precision: Precision
    contract: Contract
    task: Task
    outputs: tuple[str, ...]
    channels: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    multiple_of: int
    stride: float
    convention: PixelConvention
    flip: bool
    fit: dict[str, Any]
    rules: dict[str, Any]
    skeleton: dict[str, Any] | None = None
    num_classes: int | None = None
    refiner: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without a graph."""
        for name in ("outputs", "mean", "std"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("fit", "rules", "skeleton", "refiner"):  # as they come back from a file
            object.__setattr__(self, name, json.loads(json.dumps(getattr(self, name))))
        for name, kind in (("task", Task), ("contract", Contract), ("precision", Precision)):
            if (value := getattr(self, name)) not in get_args(kind):
                raise ValueError(f"{name} must be one of {', '.join(map(repr, get_args(kind)))}, got {value!r}")
        if self.channels not in ("RGB", "BGR"):
            raise ValueError(f"channels must be 'RGB' or 'BGR', got {self.channels!r}")
        check_convention(self.convention)
        if not self.stride > 0 or self.multiple_of < 1:
            raise ValueError(f"stride and multiple_of must be positive, got {self.stride} and {self.multiple_of}")
        self.keypoint_set()

    def to_json(self) -> str:
        """The description as text."""
        return json.dumps({"format": 1, **asdict(self)}, indent=1)

    def keypoint_set(self) -> Skeleton | None:
        """The skeleton of the keypoints; None where there are none."""
        return None if self.skeleton is None else build_skeleton(self.skeleton)


def read_description(text: str, where: str) -> Description:
    """A description out of its text.

    Args:
        text: json.
        where: it stands, for messages.

    Raises:
        DeployedModelError: it is no description, or one of a later aemm.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DeployedModelError(f"{where}: its description is no json: {error}; export the model again") from error
    if not isinstance(given, dict) or given.pop("format", None) != 1:
        raise DeployedModelError(
            f"{where}: expected a description of format 1, got {text[:60]!r}; export the model again with this version"
        )
    try:
        return read_record(Description, given)
    except ValueError as error:
        raise DeployedModelError(
            f"{where}: its description is not valid: {error}; export the model again with this version"
        ) from error
