"""Time of a whole PoseDecoder call, beside a straightforward loop version that gives the same people.

Run ``python benchmarks/decoding.py``. The scenes are like a network's output: blobs of a few cells, a little noise,
one keypoint in seven missing, stray peaks with random tags, smooth tag maps with noise. Where mmpose is there, its
codec decodes the same maps in turn, by all published styles.
"""

from __future__ import annotations

import argparse
import functools

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from timing import Bar, Row, median_ms, paired_ms, peer, print_table, read_ms, summarise

from aemm.models.decoders import PoseDecoder
from aemm.ops.heatmap import draw_gaussians
from aemm.skeletons import SKELETONS
from aemm.structures import Batch, Instances, Maps

KEYPOINTS = 17
TIES = dict(assignment_tie="munkres", equal_tags="overwrite")
AUTHORS = dict(window=3, distance="rms", stop_when_full=True, filled_score="one", filled_border="authors")
STYLES = {"default": {}, "higherhrnet": TIES, "newell": TIES | AUTHORS}


def stretch(planes: np.ndarray, size: int, interpolation: int) -> np.ndarray:
    """Planes ``(h, w, P)`` as ``(P, size, size)``, one by one, since OpenCV takes only so many channels."""
    return np.stack(
        [cv2.resize(plane, (size, size), interpolation=interpolation) for plane in planes.transpose(2, 0, 1)]
    )


def scene(people: int, size: int, tag_dims: int = 2, seed: int = 0, keypoints: int = KEYPOINTS) -> tuple[Maps, Batch]:
    """Maps of one image and the batch they belong to.

    Args:
        people: how many there are, with 15 % of their keypoints missing.
        size: height and width of the maps in cells.
        tag_dims: L.
        seed: of everything random.
        keypoints: K.
    """
    rng = np.random.default_rng(seed)
    strays = 2
    height = size * (0.5 if people < 10 else 0.25)
    center = rng.uniform(0.15 * size, 0.85 * size, (people, 1, 2))
    body = center + rng.uniform(-0.5, 0.5, (people, keypoints, 2)) * height
    body = np.concatenate([body, rng.uniform(0, size, (strays, keypoints, 2))]).clip(1, size - 2)
    valid = rng.random(body.shape[:2]) > 0.15
    valid[people:] = rng.random((strays, keypoints)) < 0.15  # about one stray peak for three keypoints
    heat = draw_gaussians(body, valid, (size, size), size / 64, "unbiased")
    heat *= stretch(rng.uniform(0.5, 1, (8, 8, keypoints)), size, cv2.INTER_LINEAR)
    heat += rng.normal(0, 0.01, heat.shape)

    low = rng.normal(0, 2, (12, 12, keypoints * tag_dims))
    tags = stretch(low, size, cv2.INTER_CUBIC).reshape(keypoints, tag_dims, size, size)
    tags = tags + rng.normal(0, 0.05, tags.shape)
    own = rng.uniform(-6, 6, (people + strays, 1, tag_dims)).repeat(keypoints, 1)
    own[people:] = rng.uniform(-6, 6, (strays, keypoints, tag_dims))
    reach = round(3 * size / 64)
    for row, keypoint in np.argwhere(valid):
        x, y = body[row, keypoint].astype(int)
        spot = np.s_[keypoint, :, max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        tags[spot] = own[row, keypoint][:, None, None] + rng.normal(0, 0.05, tags[spot].shape)
    maps = Maps(torch.from_numpy(heat.astype(np.float32))[None], torch.from_numpy(tags.astype(np.float32))[None])
    image = torch.zeros(1, 3, 1, 1).expand(1, 3, 4 * size, 4 * size)
    return maps, Batch([image], [0], [(4 * size, 4 * size)], np.eye(3)[None])


def decode_by_loops(decoder: PoseDecoder, maps: Maps, batch: Batch) -> Instances:
    """The same people by max-pool, top-k over the maps and a pass over the map for every absent keypoint."""
    assert maps.tags is not None
    heat, tags = maps.heatmaps[0], maps.tags[0]
    width = heat.shape[2]
    kept = heat * (heat == F.max_pool2d(heat[None], decoder.window, 1, decoder.window // 2)[0])
    scores, index = kept.flatten(1).topk(decoder.max_peaks)
    people: list[dict[int, tuple[int, int, float]]] = []
    gathered: list[list[np.ndarray]] = []
    for k in decoder.skeleton.grouping_order:
        peaks = zip(scores[k].tolist(), index[k].tolist(), strict=True)
        found = [(i % width, i // width, s) for s, i in peaks if s > decoder.threshold]
        read = np.array([tags[k, :, y, x].numpy() for x, y, _ in found])
        joined: dict[int, int] = {}
        if people and found:
            reference = np.array([np.mean(t, 0) for t in gathered[: decoder.rules.max_matched]])
            gap = np.linalg.norm(read[:, None] - reference, axis=2)
            cost = np.round(gap) * 100 - np.array([f[2] for f in found])[:, None]
            cost = np.pad(cost, ((0, 0), (0, max(0, cost.shape[0] - cost.shape[1]))), constant_values=1e10)
            pairs = zip(*linear_sum_assignment(cost), strict=True)
            joined = {i: j for i, j in pairs if j < gap.shape[1] and gap[i, j] < decoder.rules.tag_threshold}
        for i, candidate in enumerate(found):
            if i not in joined:
                joined[i] = len(people)
                people.append({})
                gathered.append([])
            people[joined[i]][k] = candidate
            gathered[joined[i]].append(read[i])
    return _finish(decoder, heat.numpy(), tags.numpy(), people, gathered, batch)


def _finish(
    decoder: PoseDecoder,
    heat: np.ndarray,
    tags: np.ndarray,
    people: list[dict[int, tuple[int, int, float]]],
    gathered: list[list[np.ndarray]],
    batch: Batch,
) -> Instances:
    """Cut to the best, filling and quarter shift, keypoint by keypoint."""
    channels, height, width = heat.shape
    total = np.array([sum(c[2] for c in person.values()) / channels for person in people], np.float32)
    rows = np.sort(np.argsort(-total, kind="stable")[: decoder.max_instances])
    points, scores = np.zeros((len(rows), channels, 2)), np.zeros((len(rows), channels), np.float32)
    for n, row in enumerate(rows):
        reference = np.mean(gathered[row], 0)
        for k in range(channels):
            if k in people[row]:
                x, y, score = people[row][k]
            else:
                distance = np.sqrt(((tags[k] - reference[:, None, None]) ** 2).sum(0))
                y, x = np.unravel_index(np.argmax(heat[k] - np.round(distance)), (height, width))
                score = heat[k, y, x]
            right, left = heat[k, y, min(x + 1, width - 1)], heat[k, y, max(x - 1, 0)]
            lower, upper = heat[k, min(y + 1, height - 1), x], heat[k, max(y - 1, 0), x]
            if score > 0:
                points[n, k] = x + 0.5 + np.sign(right - left) / 4, y + 0.5 + np.sign(lower - upper) / 4
                scores[n, k] = score
    points *= batch.input_size[0] / height
    return Instances(0, batch.image_sizes[0], total[rows], keypoints=points, keypoint_scores=scores)


BARS = {
    ("default", 5): Bar(own=3),
    ("higherhrnet", 5): Bar(9),
    ("higherhrnet", 30): Bar(8),
    ("newell", 5): Bar(9),
    ("newell", 30): Bar(8),
}
NOTE = (
    "the look-up of absent keypoints takes nearly half, mostly the bounds of its blocks, peaks and grouping a fifth "
    "each: hundreds of calls on small arrays. Tried for the bounds: planes one by one (slower by half), erosion, "
    "NumPy's reductions (both twice as slow)."
)


def against_mmpose() -> None:
    """Time every style against mmpose's codec; the floor is one pass over the maps."""
    codecs = peer("mmpose.codecs")
    for (style, people), bar in BARS.items():
        maps, batch = scene(people, 128)
        name = f"decoding 17x128², L 2, {people} people, style {style}"
        ours = functools.partial(PoseDecoder("coco", **STYLES[style]), maps, batch)
        tags = maps.need_tags().transpose(1, 2).flatten(1, 2).contiguous()
        own, floor, _ = paired_ms(ours, functools.partial(_read, maps), 31)
        if codecs is None:
            summarise(Row(name, bar, own, pairs=31, floor=floor, note=NOTE))
            continue
        size = dict(input_size=(512, 512), heatmap_size=(128, 128))
        order = list(SKELETONS["coco"].grouping_order)
        codec = codecs.AssociativeEmbedding(**size, decode_keypoint_order=order, decode_max_instances=30)
        own, other, ratio = paired_ms(ours, functools.partial(codec.batch_decode, maps.heatmaps, tags), 31)
        told = dict(pairs=31, peer=other, ratio=ratio, floor=floor, note=NOTE)
        summarise(Row(f"{name}, against mmpose", bar, own, **told))


def _read(maps: Maps) -> None:
    """Go through the maps once."""
    maps.heatmaps.numpy().max()
    maps.need_tags().numpy().max()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of PyTorch and OpenCV")
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    decoder, rows = PoseDecoder("coco"), []
    for size in (128, 512):
        for people in (5, 30):
            maps, batch = scene(people, size)
            found, expected = decoder(maps, batch)[0], decode_by_loops(decoder, maps, batch)
            assert np.allclose(found.scores, expected.scores, atol=1e-6), "the two versions disagree"
            assert found.keypoints is not None
            assert np.abs(found.keypoints - expected.keypoints).max() < 1e-3, "the two versions disagree"
            ours = median_ms(lambda maps=maps, batch=batch: decoder(maps, batch))  # type: ignore[misc]
            loops = median_ms(lambda maps=maps, batch=batch: decode_by_loops(decoder, maps, batch))  # type: ignore[misc]
            least = KEYPOINTS * 3 * size * size * 4 / 2**20  # heat and two tag maps, each read once
            filled = int((found.keypoint_scores > 0).sum())
            cells = [f"17x{size}x{size}, {people} people", f"{ours:.2f}", f"{least:.1f}", f"{read_ms(least):.2f}"]
            rows.append([*cells, f"{loops:.1f}", f"{loops / ours:.0f}x", str(len(found)), str(filled)])
    header = ["scene", "median ms", "MB read", "ms to read them", "loops ms", "ratio", "instances", "keypoints"]
    print_table("PoseDecoder, L = 2, filling on", header, rows)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    against_mmpose()


if __name__ == "__main__":
    main()
