"""What a run writes down needs no figures; who draws on some gets them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from mmengine.visualization import Visualizer

from aemm.engine import RunVisualizer
from aemm.registry import VISUALIZERS

WITHOUT_FIGURES = """
import sys
import numpy as np
from aemm.engine import RunVisualizer
run = RunVisualizer("run", [dict(type="LocalVisBackend")], sys.argv[1])
run.dataset_meta = dict(classes=1)
run.add_scalars(dict(loss=2.0), step=3)
run.add_image("one", np.zeros((4, 5, 3), np.uint8), step=3)
run.close()
raise SystemExit("matplotlib" in sys.modules)
"""


def test_scalars_and_pictures_are_kept_without_figures(tmp_path):
    subprocess.run([sys.executable, "-c", WITHOUT_FIGURES, str(tmp_path)], check=True)
    assert json.loads((tmp_path / "vis_data" / "scalars.json").read_text()) == dict(loss=2.0, step=3)
    assert (tmp_path / "vis_data" / "vis_image" / "one_3.png").exists()


def test_who_draws_gets_figures_and_the_same_backends(tmp_path):
    config = dict(type="RunVisualizer", name=str(tmp_path), vis_backends=dict(type="LocalVisBackend", name="files"))
    run = VISUALIZERS.build(config | dict(save_dir=str(tmp_path)))
    assert isinstance(run, RunVisualizer)
    assert Visualizer.get_current_instance() is run
    run.dataset_meta = "people"
    backend = run.get_backend("files")
    run.set_image(np.zeros((20, 30, 3), np.uint8))
    run.draw_bboxes(np.array([2, 2, 10, 10]), edge_colors="r")
    assert run.get_image().any()
    assert run.get_backend("files") is backend
    assert run.dataset_meta == "people"


def test_what_no_visualizer_has_is_no_attribute(tmp_path):
    run = RunVisualizer("nothing", [], str(tmp_path))
    with pytest.raises(AttributeError, match="RunVisualizer has no attribute 'unheard_of'"):
        _ = run.unheard_of
