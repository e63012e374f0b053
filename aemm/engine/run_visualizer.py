"""Where a run writes scalars and pictures, without what only drawing on figures needs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.registry import VISBACKENDS
from mmengine.utils import ManagerMixin
from mmengine.visualization import Visualizer

from aemm.registry import VISUALIZERS


@VISUALIZERS.register_module()
class RunVisualizer(Visualizer):
    """mmengine's visualizer, whose figures are made when somebody draws on them first.

    No part of aemm does: it draws pictures by itself, and a training need not wait until matplotlib is imported.

    Args:
        name: of the run.
        vis_backends: configs of what keeps scalars and pictures, one of each type.
        save_dir: they write to ``vis_data`` in it.
    """

    def __init__(self, name: str, vis_backends: Sequence[Mapping[str, Any]], save_dir: str) -> None:
        ManagerMixin.__init__(self, name)
        folder = os.path.join(save_dir, "vis_data")
        backends = [VISBACKENDS.build({"save_dir": folder, **backend}) for backend in vis_backends]
        self._vis_backends = {type(backend).__name__: backend for backend in backends}
        self._dataset_meta = None
        self._has_figures = False

    def __getattr__(self, name: str) -> Any:
        """What mmengine's constructor makes, asked for by its methods that draw."""
        if self.__dict__.get("_has_figures", True):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        self._has_figures = True
        meta = self._dataset_meta
        super().__init__(self.instance_name, vis_backends=list(self._vis_backends.values()))
        self._dataset_meta = meta
        return getattr(self, name)
