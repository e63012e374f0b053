"""Training and testing of three published networks at 512 px on a GPU: images per second, memory, what is not network.

python benchmarks/gpu.py            # about 8 minutes; what does not fit is left out and said
python benchmarks/gpu.py --tiny     # a tiny network in seconds on any machine, to see that it runs
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.optim import build_optim_wrapper
from timing import median_ms, print_table
from torch import Tensor, nn

from aemm.datasets import SyntheticPoseDataset, collate
from aemm.engine import load_config
from aemm.engine.runner import compile_network
from aemm.registry import MODELS, TRANSFORMS
from aemm.structures import Batch, Maps, SparseMaps


@dataclass(frozen=True)
class Network:
    """What is measured.

    Attributes:
        config: a recipe.
        batch_size: of a training step on one GPU, the recipe's.
        size: side of the images, pixels.
    """

    config: str
    batch_size: int
    size: int = 512


@dataclass(frozen=True)
class Setting:
    """How it runs.

    Attributes:
        name: in the table.
        bf16: under autocast.
        channels_last: images and weights as NHWC.
        compiled: by torch.compile.
    """

    name: str
    bf16: bool = False
    channels_last: bool = False
    compiled: bool = False


NETWORKS = (
    Network("configs/pose/hrnet_w32_coco_512.py", 24),
    Network("configs/pose/higherhrnet_w32_coco_512.py", 12),
    Network("configs/pose/hourglass4_coco_512.py", 4),
)
TINY = (Network("configs/synthetic/pose_hourglass_tiny_128.py", 2, 64),)
SETTINGS = (
    Setting("fp32 (convolutions in TF32)"),
    Setting("bf16", bf16=True),
    Setting("bf16, channels_last", bf16=True, channels_last=True),
    Setting("bf16, channels_last, compiled", bf16=True, channels_last=True, compiled=True),
)
TRAINING = ("network", "how", "batch", "images/s", "step, ms", "outside the network", "memory, GB")
TESTING = ("network", "how", "one image, mirrored, ms", "mirror in the same batch, ms", "decoding, ms", "people")
LOADING = ("network", "MB of a batch", "were they dense", "ms of a CPU core per image", "images/s of a core")


class Bench:
    """One network on one device.

    Args:
        network: what is measured.
        device: where.
        seconds: of each measurement.
        tiny: compile by the backend that does nothing.
    """

    def __init__(self, network: Network, device: torch.device, seconds: float, tiny: bool) -> None:
        self.network, self.device, self.seconds, self.tiny = network, device, seconds, tiny
        self.cfg = load_config(network.config)
        self.cfg.model.backbone.pop("init_cfg", None)  # weights change no time
        steps = self.cfg.train_dataloader.dataset.pipeline
        self.pipeline = [TRANSFORMS.build(step) for step in steps]
        self.data = SyntheticPoseDataset(network.batch_size, network.size, pipeline=[self.pipeline[-1]])

    def batch(self, count: int) -> Batch:
        """``count`` drawn images with the recipe's targets, pinned where that makes a difference."""
        batch = collate([self.data[i] for i in range(count)])
        return batch.pin_memory() if self.device.type == "cuda" else batch

    def model(self, how: Setting, mirror: str = "apart") -> Any:
        """The network on the device."""
        torch.manual_seed(0)
        cfg = self.cfg.model.copy()
        cfg["data_preprocessor"] = {**cfg.get("data_preprocessor", dict(type="Preprocessor"))}
        cfg["data_preprocessor"]["channels_last"] = how.channels_last
        cfg["tta"] = {**(cfg.get("tta") or dict(type="TestTimeAugmentation")), "flip": True, "mirror": mirror}
        model: nn.Module = MODELS.build(cfg).to(self.device)
        return model.to(memory_format=torch.channels_last) if how.channels_last else model  # type: ignore[call-overload]

    def ms(self, call: Callable[[], Any]) -> float:
        """Median time of a call, the device's work included."""

        def finished() -> None:
            call()
            if self.device.type == "cuda":
                torch.cuda.synchronize()

        return median_ms(finished, self.seconds, 1 if self.tiny else 3)

    def train(self, how: Setting) -> list[str]:
        """A row of the training table."""
        model = self.model(how).train()
        if how.compiled:
            torch.compiler.reset()
            compile_network(model, dict(backend="eager") if self.tiny else {})
        wrapper = dict(type="AmpOptimWrapper", dtype="bfloat16") if how.bf16 else dict(type="OptimWrapper")
        optimizer: Any = build_optim_wrapper(model, {**wrapper, "optimizer": self.cfg.optim_wrapper.optimizer})
        batch = self.batch(self.network.batch_size)
        images = model.data_preprocessor(batch, True)["batch"].images[0]
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()

        def alone() -> None:
            model.zero_grad(set_to_none=True)
            with optimizer.optim_context(model):
                maps = list(_tensors(model.head(model.backbone(images))))
            torch.autograd.backward(maps, [torch.ones_like(m) for m in maps])

        whole = self.ms(lambda: model.train_step(batch, optimizer))
        memory = torch.cuda.max_memory_allocated() / 1e9 if self.device.type == "cuda" else float("nan")
        share = 1 - self.ms(alone) / whole
        speed = 1e3 * self.network.batch_size / whole
        return [f"{self.network.batch_size}", f"{speed:.1f}", f"{whole:.1f}", f"{share:.1%}", f"{memory:.2f}"]

    @torch.no_grad()
    def test(self, how: Setting) -> list[str]:
        """A row of the testing table, on maps that hold people: the true ones."""
        batch = self.batch(1)
        times = []
        for mirror in ("apart", "together"):
            model = self.model(how, mirror).eval()
            autocast = torch.autocast(self.device.type, torch.bfloat16) if how.bf16 else nullcontext()
            with autocast:
                times.append(self.ms(lambda model=model: model.maps(model.data_preprocessor(batch)["batch"])))
        ready = model.data_preprocessor(batch)["batch"]
        heat = ready.targets[0].need_heatmaps()
        tags = heat.cumsum(-1).unsqueeze(2)  # any that differ
        found = model.decoder(Maps(heat, tags), ready)
        decoding = self.ms(lambda: model.decoder(Maps(heat, tags), ready))
        return [f"{times[0]:.1f}", f"{times[1]:.1f}", f"{decoding:.1f}", f"{len(found[0])}"]

    def load(self) -> list[str]:
        """A row of the loading table: what a batch holds, and how long a core takes to transform an image."""
        batch = collate([self.data[i] for i in range(self.network.batch_size)])
        packed = sum(_bytes(t) for t in (batch.images[0], *_parts(batch))) / 1e6
        dense = sum(_bytes(t) for t in (batch.images[0], *_parts(_dense(batch)))) / 1e6
        raw = SyntheticPoseDataset(4, self.network.size)
        samples = [raw[i] for i in range(4)]

        def transform() -> None:
            for sample in samples:
                for step in self.pipeline:
                    sample = step(sample)

        each = median_ms(transform, self.seconds, 3) / len(samples)
        return [f"{packed:.1f}", f"{dense:.1f}", f"{each:.1f}", f"{1e3 / each:.0f}"]


def _tensors(stages: list[Maps]) -> Iterator[Tensor]:
    for stage in stages:
        yield from (maps for maps in (stage.heatmaps, stage.tags) if maps is not None)


def _dense(batch: Batch) -> Batch:
    return Batch(batch.images, batch.image_ids, batch.image_sizes, batch.warp, [t.dense() for t in batch.targets])


def _parts(batch: Batch) -> Iterator[Tensor]:
    for target in batch.targets:
        heat = target.heatmaps
        yield from (heat.cells, heat.values) if isinstance(heat, SparseMaps) else (heat,)
        yield target.weight
        if target.tag_index is not None:
            yield target.tag_index


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def main() -> None:
    """Measure what the time allows, the compiled networks last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a tiny network, in seconds on any machine")
    parser.add_argument("--minutes", type=float, default=8.0, help="no further row is begun after so many")
    args = parser.parse_args()
    end = time.monotonic() + 60 * args.minutes
    device = torch.device("cuda" if torch.cuda.is_available() and not args.tiny else "cpu")
    torch.backends.cudnn.benchmark = True
    seconds = 0.0 if args.tiny else 2.0
    benches = [Bench(network, device, seconds, args.tiny) for network in (TINY if args.tiny else NETWORKS)]
    left_out = []

    def rows(measure: Callable[[Bench, Setting], list[str]], settings: tuple[Setting, ...]) -> list[list[str]]:
        made = []
        for how in settings:
            for bench in benches:
                name = os.path.splitext(os.path.basename(bench.network.config))[0]
                if time.monotonic() > end:
                    left_out.append(f"{name}, {how.name}")
                else:
                    made.append([name, how.name, *measure(bench, how)])
                    print("|", *made[-1], sep=" | ", file=sys.stderr)  # kept if the run is cut short
        return made

    card = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    loading = [[row[0], *row[2:]] for row in rows(lambda bench, how: bench.load(), (Setting(""),))]
    print_table("loading", LOADING, loading)
    print("Reading files is not in it. Workers that a GPU needs: its images/s in training by those of a core.")
    print_table(f"\ntesting on {card}", TESTING, rows(Bench.test, SETTINGS[:1] if args.tiny else SETTINGS[:3]))
    print_table(f"\ntraining on {card}", TRAINING, rows(Bench.train, SETTINGS[::3] if args.tiny else SETTINGS))
    if left_out:
        print(f"left out, no time: {'; '.join(left_out)}")


if __name__ == "__main__":
    main()
