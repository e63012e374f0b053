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
        vis_backends: the config of what keeps scalars and pictures, or several; ``name`` is what
            :meth:`get_backend` calls it, by default its type.
        save_dir: they write to ``vis_data`` in it.
    """

    def __init__(self, name: str, vis_backends: Mapping[str, Any] | Sequence[Mapping[str, Any]], save_dir: str) -> None:
        ManagerMixin.__init__(self, name)
        self._vis_backends = {}
        for backend in [vis_backends] if isinstance(vis_backends, Mapping) else vis_backends:
            settings: dict[str, Any] = {"save_dir": os.path.join(save_dir, "vis_data"), **backend}
            label = settings.pop("name", settings["type"])
            self._vis_backends[label] = VISBACKENDS.build(settings)
        self._dataset_meta = None
        self._has_figures = False

    def __getattr__(self, name: str) -> Any:
        """What mmengine's constructor makes, asked for by its methods that draw."""
        if self.__dict__.get("_has_figures", True):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        self._has_figures = True
        backends, meta = self._vis_backends, self._dataset_meta
        super().__init__(self.instance_name)
        self._vis_backends, self._dataset_meta = backends, meta
        return getattr(self, name)
