"""Small models whose untrained networks find something, so that exports have something to agree on."""

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config

from aemm.apis import Inferencer
from aemm.engine import load_config
from aemm.export import DeployedNetwork
from aemm.export.describe import describe, fit_of, rules_of
from aemm.export.network import find_multiple

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SMALL = dict(width=8, growth=4, depth=2, stem=(4, 8, 8))
RESIZE = dict(type="ResizeToFit", size=64, multiple_of=32)


def small_config(name: str = "synthetic/pose_hourglass_tiny_128.py", **changes) -> Config:
    """A shipped config with a network for tests; `changes` are of the model."""
    cfg = load_config(str(CONFIGS / name))
    if cfg.model.backbone.type == "HourglassAE":
        cfg.model.backbone.update(SMALL)
    cfg.model.decoder.threshold = 1e-4
    cfg.model.update(changes)
    cfg.test_dataloader.dataset.pipeline = [dict(RESIZE)]
    return cfg


def inferencer_of(cfg: Config) -> Inferencer:
    """The model with seeded weights and statistics, as if it were trained."""
    torch.manual_seed(0)
    inferencer = Inferencer(cfg, None, "cpu", thinning=None)
    for module in inferencer.model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return inferencer


def pictures(count: int = 3) -> list[np.ndarray]:
    """Noise in blocks, in several shapes."""
    rng = np.random.default_rng(0)
    shapes = [(28, 72), (80, 50), (64, 64)]
    return [
        np.kron(rng.integers(0, 256, (h // 4, w // 4, 3)), np.ones((4, 4, 1))).astype(np.uint8)
        for h, w in (shapes[i % 3] for i in range(count))
    ]


def single_person():
    """Config of a small single-person network."""
    model = load_config(str(CONFIGS / "pose/hourglass_tiny_coco_mini_refine.py")).model.postprocessors[0].model
    model.backbone.update(SMALL)
    return model


class NetworkEngine:
    """A network that was not written to a file, in the place of an engine that read one."""

    def __init__(self, cfg: Config, model, contract: str = "aemm", maps: bool = True) -> None:
        convention = "continuous" if rules_of(model)[0] == "single_person" else fit_of(cfg)[1]
        self.network = DeployedNetwork(model, convention, maps, contract).eval()
        size = find_multiple(self.network)
        self.description = describe(cfg, model, self.network, size, ("a test", "fp32", contract))
        self.outputs = self.network.names
        self.input_size = None

    @torch.no_grad()
    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        found = self.network(torch.from_numpy(images))
        return {name: value.numpy() for name, value in zip(self.outputs, found, strict=True)}
