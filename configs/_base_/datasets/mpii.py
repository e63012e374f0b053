"""MPII multi-person: trained on crops of groups, validated on 350 groups. A recipe adds pipelines and batch size.

docs/mpii.md says how to get the files below ``data/mpii``.
"""

_base_ = ["../loaders.py"]

data_root = "data/mpii/"
groups = dict(data_root=data_root, img_dir="images")
train_dataloader = dict(
    dataset=dict(groups, type="MpiiDataset", ann_file="annotations/mpii_train.json", regions="group"),
)
val_dataloader = dict(dataset=dict(groups, type="MpiiGroupDataset", ann_file="annotations/mpii_val.json"))
test_dataloader = val_dataloader
val_evaluator = dict(type="MpiiMetric")
test_evaluator = val_evaluator
