"""An exported model, applied to images, where there is neither torch nor mmengine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from aemm.geometry import PixelConvention
from aemm.ops.fitting import FitRules
from aemm.ops.image import warp_image
from aemm.ops.openvino import OpenVinoFit
from aemm.records import ImageId, Instances, check_choice
from aemm.runtime.contract import describe_zoo, output_name, rename_outputs
from aemm.runtime.decoding import NEEDED, Decoding, View, decoding_of
from aemm.runtime.description import Contract, DeployedModelError, Description
from aemm.runtime.engines import Engine, open_engine
from aemm.runtime.pictures import read_picture
from aemm.runtime.refiner import Refiner
from aemm.runtime.rules import read_record

Input = np.ndarray | str | Path
_MADE = ("scores", "tags", "heatmaps", "tag_maps")  # outputs in numbers that a network makes


@dataclass(frozen=True)
class _Shown:
    """An image brought to its input.

    Attributes:
        pixels: ``(H, W, 3) uint8``, in the file's order of channels.
        view: how it was brought there.
        original: the image itself.
    """

    pixels: np.ndarray
    view: View
    original: np.ndarray


class Predictor:
    """An exported model, applied to images.

    It gives what :class:`aemm.apis.Inferencer` gives with the config and checkpoint that were exported and
    ``thinning=None``; :func:`aemm.runtime.thin` leaves out what it leaves out by default.

    Args:
        path: the onnx file, or the xml file of an IR.
        engine: 'onnxruntime' or 'openvino', or an engine of one's own; None = by the ending of the file.
        providers: of ONNX Runtime, such as 'CUDAExecutionProvider'; the device of OpenVINO.
        threads: of the CPU; None = as many as the engine thinks right.
        batch_size: images of one input size that go through the network together; a graph for one size takes one.
        description: takes the place of what the file says of itself, or lacks, as files of others do.
        contract: 'openvino' reads networks of Open Model Zoo, whose files say nothing of themselves, see
            :func:`aemm.runtime.contract.describe_zoo`; None = that of the description.

    Attributes:
        description: what the file says of itself.
        skeleton: of the keypoints; None where there are none.

    Raises:
        FileNotFoundError: a file does not exist.
        DeployedModelError: it cannot be read, or says nothing of itself.
        ModuleNotFoundError: the engine is not installed.

    Example::

        predictor = Predictor("hourglass.onnx", threads=2)
        for found in predictor(["holiday.jpg", "party.jpg"]):
            print(found.keypoints)
    """

    def __init__(
        self,
        path: str | Path,
        engine: str | Engine | None = None,
        providers: Sequence[str] | None = None,
        threads: int | None = None,
        batch_size: int = 1,
        description: Description | None = None,
        contract: Contract | None = None,
    ) -> None:
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size must be a whole number from 1, got {batch_size!r}")
        named = engine is None or isinstance(engine, str)
        self.engine: Engine = open_engine(path, engine, providers, threads) if named else engine  # type: ignore
        known = _known(path, self.engine, description, contract)
        self._path, self.description = path, known
        self.skeleton = known.keypoint_set()
        self.batch_size = batch_size if self.engine.input_size is None else 1
        self._fit, self._decode = _checked(path, known, self.engine)
        self._refine: Refiner | None = None
        if known.refiner is not None:
            settings: dict[str, Any] = dict(known.refiner)
            beside = _beside(path, settings.pop("file", None))
            crop_engine = open_engine(beside, engine if isinstance(engine, str) else None, providers, threads)
            self._refine = Refiner(crop_engine, str(beside), settings)

    def __call__(self, inputs: Input | Iterable[Input]) -> Iterator[Instances]:
        """What is in every image, in their order.

        Images of one input size go through the network together, up to ``batch_size`` that follow each other.

        Args:
            inputs: images ``(H, W, 3) uint8`` RGB, or paths of image files; also one of them alone.

        Raises:
            FileNotFoundError: there is no such file.
            DeployedModelError: a file is no image, or the network gives what is no number.
            ValueError: an array is no RGB image, or something is neither array nor path.
        """
        if isinstance(inputs, str | Path) or (isinstance(inputs, np.ndarray) and inputs.ndim == 3):
            inputs = [inputs]
        lot: list[_Shown] = []
        for number, given in enumerate(inputs):
            if isinstance(given, str | Path):
                shown = self._show(read_picture(given), str(given))
            else:
                shown = self._show(given, number)
            if lot and (len(lot) == self.batch_size or lot[0].pixels.shape != shown.pixels.shape):
                yield from self._run(lot)
                lot = []
            lot.append(shown)
        if lot:
            yield from self._run(lot)

    def predict(self, image: np.ndarray, image_id: ImageId = 0) -> Instances:
        """The instances of one image ``(H, W, 3) uint8`` RGB, in its pixels."""
        return self._run([self._show(image, image_id)])[0]

    def show(self, image: np.ndarray) -> np.ndarray:
        """What the graph is given for one image ``(H, W, 3) uint8`` RGB: ``(1, 3, height, width) uint8``."""
        return _stacked([self._show(image, 0)])

    def outputs(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """What the graph gives for one image ``(H, W, 3) uint8`` RGB, each with a leading 1."""
        return self._outputs([self._show(image, 0)])

    def _show(self, image: np.ndarray, image_id: ImageId) -> _Shown:
        """An image brought to the input."""
        if not isinstance(image, np.ndarray):
            raise ValueError(
                f"image {image_id} must be an array (H, W, 3) uint8 RGB, got {type(image).__name__}; files are read "
                "where the predictor itself is called with their paths"
            )
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"image {image_id} must be (H, W, 3) uint8 RGB, got {image.dtype}{image.shape}")
        size = (image.shape[0], image.shape[1])
        convention: PixelConvention = self.description.convention
        if self._fit is None:
            if size[0] % self.description.multiple_of or size[1] % self.description.multiple_of:
                raise ValueError(
                    f"image {image_id} must have sides that are multiples of {self.description.multiple_of} pixels, "
                    f"got {size[1]}x{size[0]}; the model was exported from a config whose test data resize nothing"
                )
            pixels, warp = image, np.eye(3)
        elif isinstance(self._fit, OpenVinoFit):
            pixels, warp = self._fit.show(image, self.engine.input_size)
        else:
            input_size, warp = self._fit.views(size)[0]
            pixels = warp_image(image, warp, input_size, convention=convention)
        view = View(image_id, size, (pixels.shape[0], pixels.shape[1]), warp, convention)
        return _Shown(pixels[..., ::-1] if self.description.channels == "BGR" else pixels, view, image)

    def _outputs(self, lot: Sequence[_Shown]) -> dict[str, np.ndarray]:
        outputs = rename_outputs(self.engine.run(_stacked(lot)), self.description)
        wrong = [name for name, values in outputs.items() if name in _MADE and not np.isfinite(values).all()]
        if wrong:
            images = ", ".join(str(shown.view.image_id) for shown in lot)
            raise DeployedModelError(
                f"{self._path}: {' and '.join(wrong)} of image {images} are not finite; a network that computes in "
                "half may overflow, so export it with precision fp32"
            )
        return outputs

    def _run(self, lot: Sequence[_Shown]) -> list[Instances]:
        outputs = self._outputs(lot)
        found = [self._decode(outputs, b, shown.view) for b, shown in enumerate(lot)]
        if self._refine is None:
            return found
        return [self._refine(people, shown.original) for people, shown in zip(found, lot, strict=True)]


def _stacked(lot: Sequence[_Shown]) -> np.ndarray:
    """Images of one size as ``(B, 3, height, width)``."""
    return np.ascontiguousarray(np.stack([shown.pixels for shown in lot]).transpose(0, 3, 1, 2))


def _known(path: str | Path, engine: Engine, description: Description | None, contract: Contract | None) -> Description:
    """What is known of a file: as it is told, as it says itself, or as its contract says.

    Raises:
        ValueError: there is no such contract.
        DeployedModelError: nothing is known, or it is of another contract.
    """
    if contract is not None:
        check_choice("contract", contract, Contract)
    known = description or engine.description
    if known is None and contract == "openvino":
        return describe_zoo(path, engine)
    if known is None:
        raise DeployedModelError(
            f"{path} says nothing of its input, keypoints and rules; export it by aemm export, keep the json file "
            "beside it, pass a description, or contract 'openvino' for a network of Open Model Zoo"
        )
    if contract not in (None, known.contract):
        raise DeployedModelError(
            f"{path}: its description says contract {known.contract!r}, but {contract!r} was asked for; leave it out"
        )
    return known


def _checked(
    path: str | Path, description: Description, engine: Engine
) -> tuple[FitRules | OpenVinoFit | None, Decoding]:
    """How images are brought to the input of a file, and what decodes its outputs.

    Raises:
        DeployedModelError: the graph lacks outputs, or the rules are not valid.
    """
    task = "openvino" if description.contract == "openvino" else description.task
    needed = [output_name(name, description) for name in (*NEEDED[task], *NEEDED[description.task])]
    if absent := [name for name in dict.fromkeys([*description.outputs, *needed]) if name not in engine.outputs]:
        raise DeployedModelError(
            f"{path}: its description asks for the outputs {absent}, but the graph has {list(engine.outputs)}; do the "
            "files belong together?"
        )
    try:
        return _fit_of(description), decoding_of(description, engine.description)
    except ValueError as error:
        raise DeployedModelError(
            f"{path}: the rules of its description are not valid: {error}; export the model again"
        ) from error


def _fit_of(description: Description) -> FitRules | OpenVinoFit | None:
    """How images are brought to the input; None where they come at its size.

    Raises:
        ValueError: a field is not valid.
    """
    fit = description.fit
    if not fit:
        return None
    return read_record(OpenVinoFit, fit) if "aspect" in fit else read_record(FitRules, fit)


def _beside(path: str | Path, name: Any) -> Path:
    """The file of a name beside another one.

    Raises:
        DeployedModelError: it is no name of a file.
    """
    if not isinstance(name, str) or not name or Path(name).name != name:
        raise DeployedModelError(
            f"{path}: refiner.file of its description must name a file beside it, got {name!r}; export the model again"
        )
    return Path(path).with_name(name)


def with_rules(description: Description, **changes: Any) -> Description:
    """A description with some of its rules changed, such as ``threshold``.

    Args:
        description: of a file.
        changes: fields of its rules.

    Raises:
        ValueError: there is no such rule.
    """
    if unknown := sorted(set(changes) - set(description.rules)):
        raise ValueError(f"rules of task {description.task!r} are {sorted(description.rules)}, got {unknown}")
    return replace(description, rules={**description.rules, **changes})
