"""COCO keypoints 2017, all images with people, as HigherHRNet and mmpose train. A recipe adds pipelines and batch."""

_base_ = ["../loaders.py"]

data_root = "data/coco/"
train_dataloader = dict(
    dataset=dict(
        type="CocoPoseDataset",
        data_root=data_root,
        ann_file="annotations/person_keypoints_train2017.json",
        img_dir="train2017",
        images="with_people",
    ),
)
val_dataloader = dict(
    dataset=dict(
        type="CocoPoseDataset",
        data_root=data_root,
        ann_file="annotations/person_keypoints_val2017.json",
        img_dir="val2017",
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="CocoMetric")
test_evaluator = val_evaluator
