"""The people of a small part of COCO one by one at 192 px: trained and validated on the same, tested on others."""

data_root = "../shared/data/coco_mini/"
crop = dict(type="PersonCrop", size=192)

train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type="SeededSampler", shuffle=True),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(
        type="SinglePersonDataset",
        data_root=data_root,
        ann_file="annotations/person_keypoints_train2017.json",
        img_dir="train2017",
        min_keypoints=3,
        pipeline=[
            dict(type="PersonCrop", size=192, rotation=15, scale=(0.8, 1.25), translation=0.05),
            dict(type="RandomFlip"),
            dict(type="PoseTargets", strides=(4,), sigma=2.0, style="unbiased", tag_strides=()),
        ],
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type="SeededSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(
        type="SinglePersonDataset",
        data_root=data_root,
        ann_file="annotations/person_keypoints_train2017.json",
        img_dir="train2017",
        pipeline=[crop],
        test_mode=True,
    ),
)
test_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type="SeededSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(
        type="SinglePersonDataset",
        data_root=data_root,
        ann_file="annotations/person_keypoints_val2017.json",
        img_dir="val2017",
        pipeline=[crop],
        test_mode=True,
    ),
)
val_evaluator = dict(type="CocoMetric")
test_evaluator = val_evaluator
