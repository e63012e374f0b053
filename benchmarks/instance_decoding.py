"""Time and memory of a whole InstanceDecoder call, beside a straightforward loop over pixels that groups the same way.

Run ``python benchmarks/instance_decoding.py``. A 512 x 512 image of 20 or 80 classes and 30 instances: maps of 128 x
128 cells, ellipses of random size with noise on heatmaps and tags.
"""

from __future__ import annotations

import argparse
import functools
import resource

import cv2
import numpy as np
import torch
from timing import Bar, Row, median_ms, paired_ms, print_table, summarise

from aemm.models.decoders import InstanceDecoder
from aemm.ops.pixel_grouping import find_modes
from aemm.structures import Batch, Maps

NOTE = (
    "of eight noisy tags each cell is a bin of its own, so that the density of all bins at all bins takes a third, "
    "their histogram a quarter, and masks at the size of the image a quarter. Tried and kept: half of the table, by "
    "blocks that stay in the cache, in float32 where that is exact enough, and OpenCV's exponential."
)


def scene(size: int, classes: int, instances: int, tag_dims: int, seed: int = 0) -> tuple[Maps, Batch]:
    """Maps of one image and the batch they belong to.

    Args:
        size: height and width of the maps in cells; the image has four times as many pixels.
        classes: C.
        instances: how many there are in all.
        tag_dims: L.
        seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    heat = rng.normal(0, 0.05, (classes, size, size)).astype(np.float32)
    tags = rng.normal(0, 1, (classes, tag_dims, size, size)).astype(np.float32)
    for n in range(instances):
        label = int(rng.integers(classes))
        center, axes = rng.uniform(0, size, 2), rng.uniform(0.05, 0.2, 2) * size
        area = np.zeros((size, size), np.uint8)
        cv2.ellipse(area, (center.tolist(), (2 * axes).tolist(), rng.uniform(0, 180)), 1, -1)
        heat[label][area > 0] = rng.uniform(0.7, 1)
        tags[label][:, area > 0] = 3 * n + rng.normal(0, 0.2, (tag_dims, int(area.sum())))
    maps = Maps(torch.from_numpy(heat)[None], torch.from_numpy(tags)[None])
    image = torch.zeros(1, 3, 1, 1).expand(1, 3, 4 * size, 4 * size)
    return maps, Batch([image], [0], [(4 * size, 4 * size)], np.eye(3)[None])


def group_by_loops(decoder: InstanceDecoder, maps: Maps) -> int:
    """Number of instances, every pixel compared with every mode in a loop; masks are not brought to the image."""
    assert maps.tags is not None
    found = 0
    for heat, tags in zip(maps.heatmaps[0].numpy(), maps.tags[0].numpy(), strict=True):
        places = [(y, x) for y in range(heat.shape[0]) for x in range(heat.shape[1]) if heat[y, x] > decoder.threshold]
        if len(places) < decoder.min_cells:
            continue
        own = [tags[:, y, x] for y, x in places]
        modes = find_modes(torch.from_numpy(np.array(own)), decoder.radius, decoder.bandwidth).numpy()
        count = [0] * len(modes)
        for tag in own:
            count[int(np.argmin([((tag - mode) ** 2).sum() for mode in modes]))] += 1
        found += sum(c >= decoder.min_cells for c in count)
    return found


def peak_mb() -> float:
    """Largest resident size of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _read(maps: Maps) -> None:
    """Go through the maps once."""
    maps.heatmaps.numpy().max()
    maps.need_tags().numpy().max()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of PyTorch and OpenCV")
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    rows = []
    for classes, tag_dims in ((20, 1), (20, 3), (80, 8)):
        decoder = InstanceDecoder(classes)
        maps, batch = scene(128, classes, 30, tag_dims)
        before = peak_mb()
        found = decoder(maps, batch)[0]
        grown = peak_mb() - before
        assert found.masks is not None
        stored = sum(len(mask["counts"]) for mask in found.masks) / 1024
        assert len(found) == group_by_loops(decoder, maps), "the two versions disagree"
        ours = median_ms(functools.partial(decoder, maps, batch))
        loops = median_ms(functools.partial(group_by_loops, decoder, maps), least=1)
        cells = [f"{classes}x128x128, L = {tag_dims}", str(len(found)), f"{ours:.1f}", f"{grown:.1f}", f"{stored:.1f}"]
        rows.append([*cells, f"{loops:.0f}"])
        if classes == 80:
            own, floor, _ = paired_ms(functools.partial(decoder, maps, batch), functools.partial(_read, maps), 15)
            name = f"instance decoding, {classes} classes, L {tag_dims}"
            summarise(Row(name, Bar(own=40), own, pairs=15, floor=floor, note=NOTE))
    header = ["scene", "instances", "median ms", "MB grown", "kB of masks", "ms of grouping by loops"]
    print_table("InstanceDecoder, 512 x 512 image", header, rows)


if __name__ == "__main__":
    main()
