"""Hold exported networks against their models on images of several sizes, one by one and in fours; print a table.

python -m tests.export.parity_of_networks --networks HRNet ResNet-50 --widths full --engines onnxruntime openvino

Images are photographs below AEMM_SHARED, if there are any, and drawn people, half and half. One in five is looked at
in 512 px, the others in 128x128 and 160x224. The exit code is 1 where a file finds others than its model: another
number of instances, other masks, or keypoints more than 0.001 px apart. Keypoints with hardly any heat are measured
apart, since the logarithms by which they are placed between cells make much of rounding. So do random masks, whose
edges run through the threshold by thousands of pixels, and keypoints that are looked up where two cells fit equally
well: an image is unsure, and no fault, if the model itself finds others once its maps are moved at random by no more
than they differ. Distances are of the images in which both found the same.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from aemm.apis import Inferencer
from aemm.datasets.synthetic import SyntheticPoseDataset
from aemm.export import ExportOptions, Parity, export_model
from aemm.export.parity import NEAR, compare
from aemm.ops.masks import decode_masks
from aemm.records import Instances
from aemm.runtime import Predictor
from aemm.structures import Batch, Maps
from tests.conftest import SHARED
from tests.export.random_networks import RECIPES, fit_of_size, look_at_size, random_inferencer

SIZES = {"128x128": (128, 128), "160x224": (160, 224), "512x512": (512, 512)}
"""Height and width of inputs."""
SHARES = {"128x128": 0.4, "160x224": 0.4, "512x512": 0.2}
"""Of the images that are looked at in each size."""
RANGED = (160, 224)
BATCHES = (1, 4)
CLEAR = 0.1
"""Score of a keypoint that is placed by more than rounding."""
TRIALS = 8
COLUMNS = (
    *("network", "width", "engine", "input", "batch", "images", "found"),
    *("maps differ", "px apart", "px apart of faint ones", "images with others", "unsure", "mask pixels of others"),
)


Images = Mapping[tuple[int, int], int]


class Row(NamedTuple):
    """What was compared.

    Attributes:
        network: of ``RECIPES``.
        width: likewise.
        engine: that ran the file.
        size: of the input, height and width.
        batch: images that were looked at together.
        found: images looked at, instances in them, and by how much maps differ.
        clear: largest distance of keypoints that score at least ``CLEAR``, pixels.
        faint: the same of those that score less.
        others: images in which the file finds others.
        unsure: those of them in which the model finds others itself once its maps are moved by rounding.
        pixels: of masks that differ in the others, most of an image in which both found as many.
    """

    network: str
    width: str
    engine: str
    size: tuple[int, ...]
    batch: int
    found: Parity
    clear: float
    faint: float
    others: int
    unsure: int
    pixels: int

    @property
    def same(self) -> bool:
        """Whether both found the same."""
        return self.others == self.unsure

    def cells(self) -> list[str]:
        """As they are printed."""
        counts = [f"{self.size[0]}x{self.size[1]}", str(self.batch), str(self.found.images), str(self.found.people)]
        figures = [f"{self.found.maps:.1e}", f"{self.clear:.1e}", f"{self.faint:.1e}"]
        others = [str(self.others), str(self.unsure), str(self.pixels)]
        return [self.network, self.width, self.engine, *counts, *figures, *others]


def distances(expected: Instances, found: Instances) -> tuple[float, float]:
    """Largest distance of keypoints that score at least ``CLEAR``, and of the rest, of as many instances, pixels."""
    if expected.keypoints is None or found.keypoints is None:
        return 0.0, 0.0
    _, scores = expected.need_keypoints()
    apart = np.linalg.norm(expected.keypoints - found.keypoints, axis=-1)
    return float(apart[scores >= CLEAR].max(initial=0)), float(apart[scores < CLEAR].max(initial=0))


def mask_pixels(expected: Instances, found: Instances) -> int:
    """In how many pixels masks of as many instances differ; 0 where there are none."""
    if expected.masks is None or found.masks is None or len(expected) != len(found):
        return 0
    both = [decode_masks(instances.need_masks()[0], instances.image_size) for instances in (expected, found)]
    return int((both[0] != both[1]).sum())


def differ(expected: Instances, found: Instances) -> bool:
    """Whether these are others: another number, other masks, or keypoints elsewhere."""
    if len(expected) != len(found) or expected.masks != found.masks:
        return True
    return distances(expected, found)[0] > NEAR


class _OfMoved:
    """A decoder of maps that are moved at random before.

    Args:
        decoder: of the model.
        noise: by which the maps are moved at most, relative to the largest value where that is above 1.
        generator: of the noise.
    """

    def __init__(self, decoder: Any, noise: float, generator: torch.Generator) -> None:
        self._decoder, self._noise, self._generator = decoder, noise, generator

    def __call__(self, maps: Maps, batch: Batch) -> list[Instances]:
        return self._decoder(Maps(self._moved(maps.heatmaps), self._moved(maps.need_tags())), batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder, name)

    def _moved(self, values: torch.Tensor) -> torch.Tensor:
        most = self._noise * max(1.0, float(values.abs().max()))
        return values + most * (2 * torch.rand(values.shape, generator=self._generator) - 1)


def is_unsure(inferencer: Inferencer, image: np.ndarray, expected: Instances, noise: float) -> bool:
    """Whether a model finds other instances itself in one of some trials in which its maps are moved at random.

    Args:
        inferencer: with the model.
        image: ``(H, W, 3) uint8`` RGB.
        expected: found in it.
        noise: by which the maps are moved at most, relative to the largest value where that is above 1.
    """
    decoder, generator = inferencer.model.decoder, torch.Generator().manual_seed(0)
    inferencer.model.decoder = _OfMoved(decoder, noise, generator)
    try:
        return any(differ(expected, inferencer.predict(image)) for _ in range(TRIALS))
    finally:
        inferencer.model.decoder = decoder


def photographs(count: int, shape: tuple[int, int]) -> list[np.ndarray]:
    """The middle of photographs, in the proportions of a shape; as many as there are, if they are fewer."""
    files = sorted((SHARED / "data/coco_mini").rglob("*.jpg"))[:count]
    return [_middle(cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB), shape) for file in files]


def _middle(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The largest part around the middle that has the proportions of a shape exactly."""
    common = math.gcd(*shape)
    rows, columns = shape[0] // common, shape[1] // common
    times = min(image.shape[0] // rows, image.shape[1] // columns)
    top, left = (image.shape[0] - times * rows) // 2, (image.shape[1] - times * columns) // 2
    return np.ascontiguousarray(image[top : top + times * rows, left : left + times * columns])


def images_of(shape: tuple[int, int], count: int) -> list[np.ndarray]:
    """Photographs and drawn people in turn, in the proportions of a shape."""
    photos = photographs(count // 2, shape)
    drawn = SyntheticPoseDataset(count - len(photos), shape, people=(1, 4), seed=7)
    return [*photos, *(drawn.load(i).image for i in range(len(drawn)))]


def look(
    predictor: Predictor, inferencer: Inferencer, images: list[np.ndarray], expected: list[Instances]
) -> tuple[Parity, float, float, int, int, int]:
    """The last six fields of a row: of images in which the model found what is expected."""
    parity = Parity()
    parity.maps = compare(inferencer, predictor, images[:1]).maps
    others, apart, pixels = [], [(0.0, 0.0)], [0]
    for image, one, other in zip(images, expected, predictor(images), strict=True):
        parity.add(one, other)
        if differ(one, other):
            others.append((image, one))
            pixels.append(mask_pixels(one, other))
        else:
            apart.append(distances(one, other))
    noise = [compare(inferencer, predictor, [image]).maps for image, _ in others]
    pairs = zip(others, noise, strict=True)
    unsure = sum(is_unsure(inferencer, image, one, differs) for (image, one), differs in pairs)
    clear, faint = (max(column) for column in zip(*apart, strict=True))
    return parity, clear, faint, len(others), unsure, max(pixels)


def held(name: tuple[str, str], images: Images, engines: Sequence[str], folder: Path) -> Iterator[Row]:
    """Export a network and compare it with its model.

    Args:
        name: network and width, of ``RECIPES``.
        images: how many are looked at in each size.
        engines: that run the file.
        folder: for the file.
    """
    recipe = RECIPES[name]
    cfg, inferencer = random_inferencer(recipe, images_of(RANGED, 4), RANGED)
    exported = export_model(cfg, inferencer.model, folder / "network.onnx", ExportOptions())
    for size, number in images.items():
        step = fit_of_size(cfg, size, recipe.multiple_of)
        description = replace(exported.description, fit=look_at_size(inferencer, step))
        looked_at = images_of(size, number)
        shape = tuple(inferencer.batch(looked_at[0]).images[0].shape[2:])
        expected = [inferencer.predict(image, i) for i, image in enumerate(looked_at)]
        for engine in engines:
            for batch in BATCHES:
                predictor = Predictor(exported.path, engine, threads=1, batch_size=batch, description=description)
                figures = look(predictor, inferencer, looked_at, expected)
                yield Row(*name, engine, shape, batch, *figures)


def main() -> int:
    """Compare what is asked for."""
    networks, widths = (list(dict.fromkeys(column)) for column in zip(*RECIPES, strict=True))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=networks, default=networks)
    parser.add_argument("--widths", nargs="+", choices=widths, default=widths)
    parser.add_argument("--engines", nargs="+", choices=["onnxruntime", "openvino"], default=["onnxruntime"])
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--images", type=int, default=50, help="for each network in all sizes together; default 50")
    args = parser.parse_args()
    images = {SIZES[name]: round(SHARES[name] * args.images) for name in args.sizes}
    torch.set_num_threads(1)
    print(" | ".join(COLUMNS))
    same = True
    for name in RECIPES:
        if name[0] not in args.networks or name[1] not in args.widths:
            continue
        with tempfile.TemporaryDirectory() as folder:
            for row in held(name, images, args.engines, Path(folder)):
                print(" | ".join(row.cells()), flush=True)
                same = same and row.same
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
