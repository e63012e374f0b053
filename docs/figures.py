"""Draw the figures of docs/method.md with the parts of aemm itself; no network is trained.

python docs/figures.py            # writes docs/images/method_*.png, about a minute on a CPU
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from aemm.datasets import SyntheticPoseDataset, collate
from aemm.evaluation import CocoMetric
from aemm.models.decoders import PoseDecoder
from aemm.models.losses import GroupingLoss
from aemm.ops.heatmap import top_peaks
from aemm.ops.true_maps import true_heatmaps, true_tags
from aemm.structures import Batch, Instances, Maps, Sample
from aemm.visualization import draw_heatmaps, draw_result, draw_tags, instance_color, save_picture, side_by_side

PEOPLE = 3
STEPS = 400


def scene(size: int = 256) -> tuple[SyntheticPoseDataset, Sample, Batch]:
    """A drawn image of three people, and a batch of it alone."""
    data = SyntheticPoseDataset(1, size, people=(PEOPLE, PEOPLE), seed=5, test_mode=True)
    return data, data[0], collate([data[0]])


def perfect_maps(sample: Sample, stride: int) -> Maps:
    """Maps as a perfect network would give them."""
    size = (sample.image.shape[0] // stride, sample.image.shape[1] // stride)
    heat, tags = true_heatmaps(sample, size), true_tags(sample, size)
    return Maps(torch.from_numpy(heat)[None], torch.from_numpy(tags)[None, :, None])


def two_kinds_of_maps(folder: Path) -> None:
    """What the network says: where, and whose."""
    _, sample, batch = scene()
    maps = perfect_maps(sample, 4)
    warp = batch.map_warp(0, maps.size)
    panels = [sample.image, draw_heatmaps(sample.image, maps, 0, warp), draw_tags(sample.image, maps, 0, warp)]
    save_picture(folder / "method_maps.jpg", side_by_side(panels, ["the image", "heatmaps: where", "tags: whose"]))


def train_tags(spread: float, form: str, noise: float = 0.0) -> np.ndarray:
    """Tags ``(STEPS, people * keypoints)`` on their way, moved by the grouping loss alone.

    Args:
        spread: deviation of the tags at the start.
        form: of the loss.
        noise: what is added to the tags of each person at the start, another value for each.
    """
    torch.manual_seed(1)
    keypoints = 17
    start = spread * torch.randn(PEOPLE, keypoints) + noise * torch.randn(PEOPLE, 1)
    tags = start.reshape(1, 1, 1, 1, -1).clone().requires_grad_()
    index = torch.arange(PEOPLE * keypoints).reshape(1, PEOPLE, keypoints)
    loss, optimizer, way = GroupingLoss(form), torch.optim.SGD([tags], lr=2.0), []
    for _ in range(STEPS):
        way.append(tags.detach().flatten().numpy().copy())
        optimizer.zero_grad()
        sum(loss(tags, index).values()).backward()
        optimizer.step()
    return np.stack(way)


def plot_ways(path: Path, panels: Sequence[tuple[str, np.ndarray]]) -> None:
    """Each panel a training, a line for each tag, a colour for each person."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    for axes, (title, way) in zip(np.ravel(figure.subplots(1, len(panels))), panels, strict=True):
        for n, of_person in enumerate(np.split(way, PEOPLE, axis=1)):
            color = np.array(instance_color(n)) / 255
            axes.plot(of_person, color=color, linewidth=0.7)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step")
        axes.set_ylabel("tag")
    figure.savefig(path, dpi=110)


def grouping_step_by_step(folder: Path) -> None:
    """Peaks on a line of tags before they are grouped, and the people that come out."""
    data, sample, batch = scene()
    maps = perfect_maps(sample, 4)
    rng = np.random.default_rng(0)
    maps = Maps(maps.heatmaps, maps.tags + torch.from_numpy(rng.normal(0, 1.2, maps.tags.shape)).float())
    skeleton = data.metainfo.skeleton
    peaks = top_peaks(maps, max_peaks=PEOPLE, threshold=0.1, window=5)
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    seen = peaks.scores[0].numpy() > 0.1  # (K, M)
    rows = np.broadcast_to(np.arange(len(skeleton))[:, None], seen.shape)
    tags = peaks.tags[0, ..., 0].numpy()
    left.scatter(tags[seen], rows[seen], color="0.4", s=18)
    left.set_title("peaks, each with its tag", fontsize=10)
    owners = np.rint(tags / 10).astype(int)
    colors = np.array([instance_color(n) for n in range(PEOPLE)]) / 255
    right.scatter(tags[seen], rows[seen], c=colors[owners[seen].clip(0, PEOPLE - 1)], s=18)
    right.set_title("grouped: one colour, one person", fontsize=10)
    left.set_yticks(range(len(skeleton)), skeleton.keypoints, fontsize=7)
    left.invert_yaxis()
    for axes in (left, right):
        axes.set_xlabel("tag")
    figure.savefig(folder / "method_grouping.png", dpi=110)
    found = PoseDecoder("coco", tag_threshold=5.0)(maps, batch)[0]
    save_picture(folder / "method_people.jpg", draw_result(sample.image, found, skeleton))


def ap_of_perfect_maps(side: int, height: float, stride: int, count: int) -> float:
    """AP of decoded perfect maps of drawn people."""
    data = SyntheticPoseDataset(count, side, people=(1, 4), height=(height, height), seed=2, test_mode=True)
    decoder, metric = PoseDecoder("coco", tag_threshold=5.0), CocoMetric()
    metric.dataset_meta = data.metainfo
    for index in range(count):
        sample = data[index]
        batch = collate([sample])
        found: list[Instances] = decoder(perfect_maps(sample, stride), batch)
        metric.process(batch, found)
    return metric.evaluate(count)["coco/AP"]


def cost_of_resolution(folder: Path, count: int) -> None:
    """What the stride costs people of different sizes, with perfect maps."""
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    heights = (0.25, 0.4, 0.6, 0.9)
    for stride in (2, 4, 8):
        values = [ap_of_perfect_maps(256, height, stride, count) for height in heights]
        axes.plot([256 * h for h in heights], values, marker="o", label=f"stride {stride}")
    axes.set_xlabel("height of a person, pixels of the input")
    axes.set_ylabel("AP of perfect maps")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(folder / "method_resolution.png", dpi=110)


def main() -> None:
    """Draw all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out-dir", type=Path, default=Path(__file__).parent / "images", help="where to")
    parser.add_argument("--images", type=int, default=40, help="drawn images for each point of the resolution's curve")
    args = parser.parse_args()
    folder: Path = args.out_dir
    folder.mkdir(parents=True, exist_ok=True)
    two_kinds_of_maps(folder)
    plot_ways(folder / "method_pull_push.png", [(form, train_tags(0.5, form)) for form in ("reference", "paper")])
    narrow, wide = train_tags(1e-4, "reference"), train_tags(0.02, "reference", noise=0.02)
    panels = [("tags start nearly equal", narrow), ("tags start a little wider", wide)]
    plot_ways(folder / "method_collapse.png", panels)
    grouping_step_by_step(folder)
    cost_of_resolution(folder, args.images)


if __name__ == "__main__":
    main()
