"""What is known of a data set is read, decoded or drawn once."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from aemm.datasets import SyntheticInstanceDataset, SyntheticPoseDataset, VocInstanceDataset
from aemm.engine import build_runner, load_config
from aemm.evaluation import CocoMetric, VocInstanceMetric
from aemm.formats import files
from aemm.structures import Instances
from tests.end_to_end import write_config
from tests.pairs import measured

DATA = """
data = dict(_delete_=True, type="CocoPoseDataset", ann_file="annotations.json", img_dir="images", data_root="{folder}")
targets = dict(type="PoseTargets", strides=[4], sigma=1.0, style="unbiased")
train_dataloader.update(dataset=dict(data, pipeline=[targets]))
val_dataloader = dict(batch_size=3, num_workers=0, persistent_workers=False, dataset=dict(data, test_mode=True))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=2, val_interval=1)
"""


def test_an_annotation_file_is_read_once_for_each_data_set_of_a_training(tmp_path, monkeypatch):
    """Validation after each of two epochs reads nothing: the metric's truth came with the samples."""
    SyntheticPoseDataset(6, 64, people=(1, 2)).export_coco(tmp_path)
    config = load_config(str(write_config(tmp_path, DATA.format(folder=tmp_path))))
    config.work_dir = str(tmp_path / "run")
    read, get = Counter(), files.fileio.get

    def counted(path, *args, **kwargs):
        read[str(path)] += 1
        return get(path, *args, **kwargs)

    monkeypatch.setattr(files.fileio, "get", counted)
    build_runner(config).train()
    assert read[str(tmp_path / "annotations.json")] == 2  # training and validation share the file


@pytest.mark.parametrize("kind", [SyntheticPoseDataset, SyntheticInstanceDataset])
def test_drawn_images_are_drawn_once_to_be_evaluated(kind, monkeypatch):
    module = __import__(kind.__module__, fromlist=["draw_background"])
    drawn, draw = [], module.draw_background
    monkeypatch.setattr(module, "draw_background", lambda *args: (drawn.append(1), draw(*args))[1])
    data = kind(5, 64, test_mode=True)
    pairs = []
    for sample in (data[i] for i in range(len(data))):
        none = np.zeros(0)
        found = Instances(sample.image_id, sample.image_size, none)
        if sample.keypoints is not None:
            found.keypoints, found.keypoint_scores = np.zeros((0, 17, 2)), np.zeros((0, 17))
        else:
            found.masks, found.labels = [], none.astype(int)
        pairs.append((sample.truth, found))
    measured(CocoMetric() if kind is SyntheticPoseDataset else VocInstanceMetric(), data.metainfo, pairs)
    assert len(drawn) == 5


def test_masks_of_voc_are_read_once_to_be_evaluated(tmp_path, monkeypatch):
    for folder in ("JPEGImages", "SegmentationObject", "SegmentationClass", "ImageSets/Segmentation"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "ImageSets/Segmentation/train.txt").write_text("one\n")
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "JPEGImages/one.jpg")
    for folder in ("SegmentationObject", "SegmentationClass"):
        indices = np.zeros((20, 30), np.uint8)
        indices[5:15, 5:15] = 1
        image = Image.fromarray(indices, mode="P")
        image.putpalette([0, 0, 0, 255, 255, 255])
        image.save(tmp_path / folder / "one.png")
    from aemm.formats import voc

    read, real = [], voc.read_indices
    monkeypatch.setattr(voc, "read_indices", lambda path: (read.append(path), real(path))[1])
    data = VocInstanceDataset(str(tmp_path), test_mode=True)
    sample = data[0]
    truth = sample.truth
    perfect = Instances("one", (20, 30), np.ones(1), masks=truth.masks, labels=truth.labels)
    assert measured(VocInstanceMetric(), data.metainfo, [(truth, perfect)])["voc/apr_50"] == 1
    assert len(read) == 2
