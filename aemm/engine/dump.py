"""Predictions written to a file, with or without labels to measure them against."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mmengine.dist import collect_results, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from aemm.evaluation.functional.pckh import keep_inside
from aemm.formats.coco import write_results
from aemm.formats.mpii_mat import write_submission
from aemm.records import DatasetInfo, Instances
from aemm.registry import HOOKS
from aemm.structures import Batch


@HOOKS.register_module()
class DumpHook(Hook):
    """While testing, gather what is found and write it when all images are seen.

    Args:
        path: ``.json`` for COCO's result format, ``.mat`` for a submission to MPII.
        keep_margin: of the people found for a group keep those whose middle lies at most this far outside
            the group's rectangle, in heights of a person, as ``MpiiMetric`` does; None keeps everybody.

    Raises:
        ValueError: the name ends in neither.
    """

    priority = "LOW"

    def __init__(self, path: str, keep_margin: float | None = 0.25) -> None:
        if not path.endswith((".json", ".mat")):
            raise ValueError(
                f"dump must name a .json file (COCO results) or a .mat file (MPII submission), got {path!r}"
            )
        self.path, self.keep_margin = path, keep_margin
        self._found: list[Instances] = []

    def before_test(self, runner: Runner) -> None:
        """Start anew."""
        self._found = []

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Batch | None = None,
        outputs: Sequence[Instances] | None = None,
    ) -> None:
        """Keep what was found in a batch."""
        assert data_batch is not None
        assert outputs is not None
        groups = [truth.group for truth in data_batch.truths] or [None] * len(outputs)
        for found, group in zip(outputs, groups, strict=True):
            self._found.append(found if self.keep_margin is None else keep_inside(found, group, self.keep_margin))

    def after_test(self, runner: Runner) -> None:
        """Bring the shares of all processes together in the order of the data set, and write them."""
        count = len(runner.test_dataloader.dataset)
        found = collect_results(self._found, count, "cpu", os.path.join(runner.work_dir, ".dump"))
        if not is_main_process():
            return
        info = runner.test_dataloader.dataset.metainfo
        assert isinstance(info, DatasetInfo)
        if self.path.endswith(".mat"):
            write_submission(self.path, found, info.need_skeleton("a submission to MPII"))
        else:
            write_results(self.path, found, info)
        runner.logger.info(f"predictions of {len(found)} images are in {self.path}")
