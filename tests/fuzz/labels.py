"""Files of labelling tools, broken at random."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from aemm.datasets import CocoPoseDataset
from aemm.evaluation import CocoMetric
from aemm.formats.labels import coco_points, cvat, label_studio, labelme, write_labelled, yolo
from tests.fuzz.loaders import check_perfect
from tests.fuzz.mutation import Draw, mutate
from tests.label_files import WRITERS, draw_scene

_READERS = {"yolo-pose": yolo, "labelme": labelme, "label-studio": label_studio, "coco-points": coco_points}


def load_labels(folder: Path, draw: Draw) -> None:
    """The file of a labelling tool, whose content is changed place by place, or byte by byte."""
    name = draw(st.sampled_from(list(WRITERS)))
    source = WRITERS[name](folder, draw_scene(np.random.default_rng(0), images=1))
    victims = [path for path in sorted(folder.rglob("*")) if path.suffix in (".json", ".yaml", ".xml", ".txt")]
    victim = draw(st.sampled_from(victims))
    if victim.suffix == ".json" and draw(st.integers(0, 5)):
        victim.write_text(json.dumps(mutate(json.loads(victim.read_text()), draw)))
    else:
        content = bytearray(victim.read_bytes())
        letters = st.sampled_from(b"0123456789.-;, <>'x") if draw(st.integers(0, 3)) else st.integers(0, 255)
        for _ in range(draw(st.integers(1, 4))):
            content[draw(st.integers(0, len(content) - 1))] = draw(letters)
        victim.write_bytes(content)
    found = _READERS.get(name, cvat).read(str(source))
    if not any(thing.points for image in found.images for thing in image.objects):
        return
    for file in write_labelled(found, str(folder / "out")):
        dataset = CocoPoseDataset(file.ann_file, file.img_dir, skeleton=file.skeleton_file, test_mode=True)
        check_perfect(CocoMetric(), dataset, [dataset[n].truth for n in range(len(dataset))])
