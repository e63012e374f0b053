"""The people of a small part of COCO one by one at 192 px: trained and validated on the same, tested on others."""

_base_ = ["../loaders.py"]

data_root = "data/coco_mini/"
crop = dict(type="PersonCrop", size=192)
train = dict(
    type="SinglePersonDataset",
    data_root=data_root,
    ann_file="annotations/person_keypoints_train2017.json",
    img_dir="train2017",
)
test = dict(train, ann_file="annotations/person_keypoints_val2017.json", img_dir="val2017")
train_pipeline = [
    dict(crop, rotation=15, scale=(0.8, 1.25), translation=0.05),
    dict(type="RandomFlip"),
    dict(type="PoseTargets", strides=(4,), sigma=2.0, style="unbiased", tag_strides=()),
]
train_dataloader = dict(
    batch_size=4,
    drop_last=False,
    dataset=dict(train, min_keypoints=3, pipeline=train_pipeline),
    **_base_.in_process,
)
val_dataloader = dict(batch_size=4, dataset=dict(train, pipeline=[crop], test_mode=True), **_base_.in_process)
test_dataloader = dict(batch_size=4, dataset=dict(test, pipeline=[crop], test_mode=True), **_base_.in_process)
val_evaluator = dict(type="CocoMetric")
test_evaluator = val_evaluator
