"""A small part of COCO at 256 px without augmentation: trained and validated on the same images, tested on others."""

_base_ = ["../loaders.py"]

data_root = "data/coco_mini/"
resize = dict(type="ResizeToFit", size=256, fit="long", square=True)
train = dict(
    type="CocoPoseDataset",
    data_root=data_root,
    ann_file="annotations/person_keypoints_train2017.json",
    img_dir="train2017",
)
test = dict(train, ann_file="annotations/person_keypoints_val2017.json", img_dir="val2017", test_mode=True)
targets = dict(type="PoseTargets", strides=(4,), sigma=2.0, style="unbiased")
train_dataloader = dict(
    batch_size=2, drop_last=False, dataset=dict(train, pipeline=[resize, targets]), **_base_.in_process
)
val_dataloader = dict(
    batch_size=4,
    dataset=dict(train, pipeline=[resize], test_mode=True, images="with_keypoints"),
    **_base_.in_process,
)
test_dataloader = dict(batch_size=4, dataset=dict(test, pipeline=[resize]), **_base_.in_process)
val_evaluator = dict(type="CocoMetric")
test_evaluator = val_evaluator
