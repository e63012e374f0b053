"""A whole prediction, from an array of pixels to people in its pixels, mirrored image included, against mmpose's steps.

First with a network that takes no time, then with HRNet-W32. In both, the network's maps are replaced by maps of 5
people, so that both find the same. mmpose's model needs mmdet; its transforms, its way of merging mirrored maps and its
codec are called one after the other as its model calls them, around the same network, unfolded and as NCHW.

python benchmarks/whole_prediction.py
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from decoding import scene
from mmengine.dataset import pseudo_collate
from mmengine.model import ImgDataPreprocessor
from timing import Bar, Row, paired_ms, peer, print_table, summarise
from torch import Tensor

from aemm.apis import Inferencer
from aemm.engine import load_config
from aemm.ops.maps import hflip
from aemm.skeletons import SKELETONS
from aemm.structures import Instances, Maps

SIDE, PEOPLE = 512, 5
OF_STEPS = (
    "half of it is decoding, a fifth resampling the image, a sixth merging the views, a tenth normalising. Were "
    "decoding free, the rest would still be a seventh of what mmpose takes. Tried and kept: a table of normalised "
    "levels, sums of views in place of stacks."
)
OF_NETWORK = (
    "all but a tenth are the network's convolutions in PyTorch, batch norms folded, images as NHWC. Tried: compiled as "
    "well (1.27 x, after more than a minute of compiling)."
)
Network = Callable[[Tensor], Maps]


def views(people: int) -> tuple[Maps, Maps]:
    """What a network says of an image and of its mirror image, which agree."""
    maps, _ = scene(people, SIDE // 4, tag_dims=1)
    return maps, hflip(maps, SKELETONS["coco"].flip_index)


def steps_of_mmpose(network: Network) -> Callable[[np.ndarray], np.ndarray] | None:
    """A call that finds keypoints ``(N, K, 2)`` of an RGB image; None where mmpose is not there.

    Args:
        network: of the image, then of its mirror image.
    """
    transforms, codecs = peer("mmpose.datasets.transforms"), peer("mmpose.codecs")
    if transforms is None or codecs is None:
        return None
    tta = _module(Path(transforms.__file__).parents[2] / "models" / "utils" / "tta.py")
    skeleton = SKELETONS["coco"]
    codec = codecs.AssociativeEmbedding(
        input_size=(SIDE, SIDE),
        heatmap_size=(SIDE // 4, SIDE // 4),
        decode_keypoint_order=list(skeleton.grouping_order),
        decode_max_instances=30,
    )
    resize = transforms.BottomupResize(input_size=(SIDE, SIDE), size_factor=64, resize_mode="expand")
    pack = transforms.PackPoseInputs(meta_keys=("input_size", "input_center", "input_scale"))
    preprocess = ImgDataPreprocessor(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
    flip = list(skeleton.flip_index)

    @torch.no_grad()
    def predict(image: np.ndarray) -> np.ndarray:
        size = image.shape[:2]
        results = pack(resize(dict(img=image, img_shape=size, ori_shape=size)))
        batch = preprocess(pseudo_collate([results]))
        pixels = batch["inputs"]
        maps, mirrored = network(pixels), network(pixels.flip(-1))
        heat = tta.aggregate_heatmaps(
            [maps.heatmaps, tta.flip_heatmaps(mirrored.heatmaps, flip, shift_heatmap=False)], size=None
        )
        tags = [maps.need_tags().flatten(1, 2), mirrored.need_tags().flatten(1, 2).flip(-1)[:, flip]]
        keypoints, _, _ = codec.batch_decode(heat, tta.aggregate_heatmaps(tags, size=None, mode="concat"))
        known = batch["data_samples"][0].metainfo
        center, scale, side = (np.array(known[name]) for name in ("input_center", "input_scale", "input_size"))
        return keypoints[0] / side * scale + center - 0.5 * scale

    return predict


def _module(path: Path) -> Any:
    """A module by its file alone, without the package around it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def inferencer(fast: bool) -> Inferencer:
    """HRNet-W32 as its recipe has it, or made fast; maps are decoded at their own size, as in mmpose 1.x."""
    cfg = load_config("configs/pose/hrnet_w32_coco_512.py")
    cfg.model.tta.size = "base"
    cfg.model.backbone.pop("init_cfg", None)
    torch.manual_seed(0)
    speed = dict(fuse=True, channels_last=True) if fast else {}
    return Inferencer(cfg, None, "cpu", flip=True, thinning=None, overlap=False, **speed)


def replaced(network: Network | None) -> Network:
    """A network whose answers are the maps of 5 people, those of the mirror image every second time.

    Args:
        network: that runs first; None = nothing does.
    """
    answers = cycle(views(PEOPLE))

    def call(image: Tensor) -> Maps:
        if network is not None:
            network(image)
        return next(answers)

    return call


def measure(name: str, bar: Bar, pairs: int, networks: tuple[Network | None, Network | None]) -> Row:
    """Time both ways, after a look at whether they find the same people.

    Args:
        name: of the row.
        bar: to reach.
        pairs: of predictions.
        networks: aemm's and the other's; None = none runs.
    """
    image = np.random.default_rng(0).integers(0, 255, (480, 480, 3), np.uint8)
    model = inferencer(fast=True)
    model.model.network = replaced(networks[0])
    theirs = steps_of_mmpose(replaced(networks[1]))
    ours = functools.partial(model.predict, image)
    floor, _, _ = paired_ms(functools.partial(_least, networks[0], image), lambda: None, max(3, pairs // 3))
    note = OF_STEPS if networks[0] is None else OF_NETWORK
    if theirs is None:
        own, _, _ = paired_ms(ours, lambda: None, pairs)
        return Row(name, bar, own, pairs=pairs, floor=floor, note=note)
    _compare(ours(), theirs(image))
    own, other, ratio = paired_ms(ours, functools.partial(theirs, image), pairs)
    return Row(name, bar, own, pairs=pairs, peer=other, ratio=ratio, floor=floor, note=note)


def _compare(found: Instances, others: np.ndarray) -> None:
    """See that the other finds everybody who was drawn; stray peaks and looked-up keypoints may differ."""
    assert found.keypoints is not None
    best = found.keypoints[np.argsort(-found.scores)[:PEOPLE], None]
    apart = np.abs(best - others).mean((2, 3)).min(1)  # (people,) pixels
    assert (apart < SIDE / 16).all(), f"the two find other people: {apart.round(1)} px apart"


@torch.no_grad()
def _least(network: Network | None, image: np.ndarray) -> None:
    """Resize the image, make it float, and run the network on both views."""
    pixels = cv2.resize(image, (SIDE, SIDE)).astype(np.float32)
    if network is not None:
        view = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        network(view)
        network(view.flip(-1))


def main() -> None:
    """Time both rows."""
    rows = [measure("whole inference without the network, 5 people, against mmpose", Bar(10), 31, (None, None))]
    networks = inferencer(fast=True).model.network, inferencer(fast=False).model.network
    rows.append(measure("whole inference, HRNet-W32, flip, CPU, against mmpose", Bar(1.5), 5, networks))
    cells = []
    for row in rows:
        summarise(row)
        cells.append([row.name, f"{row.own:.2f}", f"{row.floor:.2f}"])
    print_table(f"480x480 to {SIDE}x{SIDE}", ["", "aemm, ms", "floor: a resize and the network, ms"], cells)


if __name__ == "__main__":
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    main()
