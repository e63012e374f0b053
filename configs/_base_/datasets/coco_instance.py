"""COCO's instance masks of the 20 classes that VOC has, too. A recipe adds the pipelines and the batch size."""

_base_ = ["../loaders.py"]

data_root = "data/coco/"
train_dataloader = dict(
    dataset=dict(
        type="CocoInstanceDataset",
        data_root=data_root,
        ann_file="annotations/instances_train2017.json",
        img_dir="train2017",
        classes="voc",
    ),
)
val_dataloader = dict(
    batch_size=16,
    dataset=dict(
        type="CocoInstanceDataset",
        data_root=data_root,
        ann_file="annotations/instances_val2017.json",
        img_dir="val2017",
        classes="voc",
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type="CocoInstanceMetric"), dict(type="VocInstanceMetric")]
test_evaluator = val_evaluator
