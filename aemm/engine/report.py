"""A report on a model that is tested."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import collect_results, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from aemm import __version__
from aemm.engine.console import file_only
from aemm.engine.evaluate import build_metrics
from aemm.engine.oracle import measure_variants
from aemm.engine.show import look_at
from aemm.evaluation.pairs import Pair
from aemm.formats.scalars import read_history
from aemm.registry import HOOKS
from aemm.reports import Run, View, choose_measure, write_report
from aemm.structures import Batch, Instances

_LIBRARIES = ("torch", "numpy", "mmengine", "mmcv-lite", "opencv-python", "hotcoco")


@HOOKS.register_module()
class ReportHook(Hook):
    """While testing, keep what is found; then write a page that shows how good it is, and why not better.

    Args:
        folder: where ``report.html`` and ``report.json`` go; None writes none, and leaves the :class:`Run` in ``run``.
        examples: images of each kind (the worst, the most crowded, random ones) that are shown.
        oracle_images: how many images are looked at again with heatmaps and tags replaced by the truth; 0 = none.
        name: of the run; by default that of the work dir.

    Attributes:
        run: what was tested, after the test.
    """

    priority = "LOWEST"

    def __init__(
        self, folder: str | None = None, examples: int = 6, oracle_images: int = 100, name: str | None = None
    ) -> None:
        if examples < 0 or oracle_images < 0:
            raise ValueError(f"examples and oracle_images must be 0 or more, got {examples} and {oracle_images}")
        self.folder, self.examples, self.oracle_images, self.name = folder, examples, oracle_images, name
        self.run: Run | None = None
        self._pairs: list[Pair] = []

    def before_test(self, runner: Runner) -> None:
        """Start anew."""
        self._pairs = []

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Batch | None = None,
        outputs: Sequence[Instances] | None = None,
    ) -> None:
        """Keep truth and prediction of a batch."""
        assert data_batch is not None
        assert outputs is not None
        if not data_batch.truths or any(truth.withheld for truth in data_batch.truths):
            raise ValueError("a report needs labels, but those of the test data are withheld; leave out --report")
        self._pairs += zip(data_batch.truths, outputs, strict=True)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Bring the pairs of all processes together in the order of the data set, and report on them."""
        count = len(runner.test_dataloader.dataset)
        pairs = collect_results(self._pairs, count, "cpu", os.path.join(runner.work_dir, ".report"))
        if not is_main_process():
            return
        with file_only(runner.logger, logging.WARNING):  # the oracle measures four times more
            self.run = describe_run(runner, pairs, metrics or {}, self.oracle_images, self.name)
        if self.folder is not None:
            page = write_report(self.folder, [self.run], self.examples)
            runner.logger.info(f"the report is in {page}")


def describe_run(
    runner: Runner, pairs: Sequence[Pair], metrics: dict[str, float], oracle_images: int, name: str | None
) -> Run:
    """What a report tells of a test.

    Args:
        runner: that has tested.
        pairs: of all images of the test data, in their order.
        metrics: as the evaluation reports them.
        oracle_images: see :class:`ReportHook`.
        name: see there.
    """
    dataset, checkpoint = runner.test_dataloader.dataset, str(runner.cfg.get("load_from") or "")
    folder = Path(checkpoint).parent if checkpoint else Path(runner.work_dir)
    measure = choose_measure(runner.test_evaluator.metrics, dataset.metainfo)
    shown = min(oracle_images, len(dataset))
    return Run(
        name=name or folder.resolve().name,
        measure=measure,
        pairs=pairs,
        look=_Looking(runner, pairs),
        metrics=metrics,
        oracle=_oracle(runner, shown) if shown else {},
        oracle_images=shown,
        history=read_history(folder),
        config=runner.cfg.pretty_text,
        versions=versions(),
        checkpoint=checkpoint and os.path.abspath(checkpoint),  # for who reads the report in another folder
    )


def versions() -> dict[str, str]:
    """What a run runs with, by name."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    own = {"aemm": __version__, "python": platform.python_version()}
    return own | {name: _version(name) for name in _LIBRARIES} | {"device": device}


def _version(name: str) -> str:
    try:
        return version(name)
    except ModuleNotFoundError:  # OpenCV has several distributions
        return "as another distribution"


def _oracle(runner: Runner, count: int) -> dict[str, dict[str, float]]:
    dataset = runner.test_dataloader.dataset
    samples = (dataset[index] for index in range(count))
    metrics = runner.cfg.test_evaluator
    return measure_variants(
        _model(runner), samples, runner.test_dataloader.collate_fn, lambda: build_metrics(metrics, dataset.metainfo)
    )


class _Looking:
    """Shows an image of the test data with what the network says of it."""

    def __init__(self, runner: Runner, pairs: Sequence[Pair]) -> None:
        self.runner, self.pairs = runner, pairs

    def __call__(self, index: int) -> View:
        """What the network says of the image at a place of the data set.

        Raises:
            ValueError: the test went through the data in another order.
        """
        loader = self.runner.test_dataloader
        batch = loader.collate_fn([loader.dataset[index]])
        if batch.image_ids[0] != self.pairs[index][0].image_id:
            raise ValueError("a report needs the test data in their order; set test_dataloader.sampler.shuffle=False")
        return look_at(_model(self.runner), batch)


def _model(runner: Runner) -> Any:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
