"""The people of COCO one by one at 512 px, cut out around their keypoints; targets at stride 4.

Augmentation is that of the authors' multi-person training: their single-person training is not published.
"""

_base_ = ["../loaders.py"]

data_root = "data/coco/"
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        type="SinglePersonDataset",
        data_root=data_root,
        ann_file="annotations/person_keypoints_train2017.json",
        img_dir="train2017",
        min_keypoints=3,
        pipeline=[
            dict(type="PersonCrop", size=512, rotation=30, scale=(0.75, 1.25), translation=0.1),
            dict(type="RandomFlip"),
            dict(type="ColorJitter"),
            dict(type="PoseTargets", strides=(4,), style="newell", tag_strides=()),
        ],
    ),
)
val_dataloader = dict(
    batch_size=16,
    dataset=dict(
        type="SinglePersonDataset",
        data_root=data_root,
        ann_file="annotations/person_keypoints_val2017.json",
        img_dir="val2017",
        pipeline=[dict(type="PersonCrop", size=512)],
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="CocoMetric")
test_evaluator = val_evaluator
