"""Annotation files of one's own, several at once and without labels, through the tools."""

import json

import pytest

from aemm.datasets import SyntheticPoseDataset
from tests.end_to_end import check, run_tool, write_config

SEVERAL = """
part = dict(type="CocoPoseDataset", data_root="{root}", img_dir="images", pipeline={{{{_base_.train_pipeline}}}})
train_dataloader = dict(
    batch_size=5,
    dataset=dict(
        _delete_=True,
        type="ConcatDataset",
        weights=[1, 0.5],
        datasets=[
            dict(type="RepeatDataset", times=2, dataset=dict(**part, ann_file="annotations.json")),
            dict(**part, ann_file="half.json"),
        ],
    ),
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="CocoPoseDataset",
        data_root="{root}",
        ann_file=["annotations.json", "half.json"],
        img_dir="images",
        test_mode=True,
    )
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="CocoPoseDataset",
        data_root="{root}",
        ann_file="unlabelled.json",
        img_dir="images",
        test_mode=True,
    )
)
train_cfg = dict(max_epochs=1)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on two files, one of them twice, and a file without labels to test on."""
    root = tmp_path_factory.mktemp("data")
    SyntheticPoseDataset(length=6, image_size=64).export_coco(root)
    data = json.loads((root / "annotations.json").read_text())
    half = data | dict(images=data["images"][:3])
    half["annotations"] = [row for row in data["annotations"] if row["image_id"] < 3]
    (root / "half.json").write_text(json.dumps(half))
    unlabelled = dict(images=data["images"], categories=[dict(id=7, name="person")])
    (root / "unlabelled.json").write_text(json.dumps(unlabelled))
    config = write_config(root, SEVERAL.format(root=root))
    output = check(run_tool("tools/train.py", config, "--work-dir", root / "run"))
    return root, config, output


def test_training_and_figures_of_several_files(run):
    root, _, output = run
    assert "of these, 3 images of half:" in output
    assert "coco/half/AP:" in output
    assert "coco/annotations/AP:" in output
    log = next((root / "run").glob("*/*.log")).read_text()
    assert "annotations.json: 6 of 6 images take part" in log


def test_predictions_for_a_set_without_labels_are_written(run):
    root, config, _ = run
    dump = root / "found.json"
    command = ("tools/test.py", config, root / "run" / "epoch_1.pth", "--work-dir", root / "test", "--dump", dump)
    output = check(run_tool(*command))
    assert "the labels of all 6 images are withheld" in output
    found = json.loads(dump.read_text())
    assert {row["category_id"] for row in found} <= {7}
    assert {row["image_id"] for row in found} <= set(range(6))
