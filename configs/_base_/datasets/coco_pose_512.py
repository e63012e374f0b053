"""COCO keypoints at 512 px with the authors' augmentation; targets at stride 4.

Source: princeton-vl/pose-ae-train data/coco_pose/dp.py.
"""

data_root = "data/coco/"
train_pipeline = [
    dict(type="RandomAffine", size=512, rotation=30, scale=(0.75, 1.25), translation=40, fit="long"),
    dict(type="RandomFlip"),
    dict(type="ColorJitter"),
    dict(type="PoseTargets", strides=(4,), style="newell"),
]
test_pipeline = [dict(type="ResizeToFit", size=512, fit="long", square=True)]

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type="SeededSampler", shuffle=True),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(
        type="CocoPoseDataset",
        data_root=data_root,
        ann_file="annotations/person_keypoints_train2017.json",
        img_dir="train2017",
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="SeededSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(
        type="CocoPoseDataset",
        data_root=data_root,
        ann_file="annotations/person_keypoints_val2017.json",
        img_dir="val2017",
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="CocoMetric")
test_evaluator = val_evaluator
