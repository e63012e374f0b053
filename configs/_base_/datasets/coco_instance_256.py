"""COCO's instance masks of VOC's 20 classes at 256 px, maps of 64 x 64 cells.

Source: Newell et al. 2017, section 4.2; the range of sizes and the augmentation are ours, the paper gives none.
"""

data_root = "data/coco/"
train_pipeline = [
    dict(type="RandomAffine", size=256, rotation=15, scale=(0.5, 1.25), translation=40, fit="long"),
    dict(type="RandomFlip"),
    dict(type="ColorJitter"),
    dict(type="InstanceTargets", strides=(4,), num_classes=20, samples=20, size_range=(16, 256)),
]
test_pipeline = [dict(type="ResizeToFit", size=256, fit="long", square=True)]

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type="SeededSampler", shuffle=True),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(
        type="CocoInstanceDataset",
        data_root=data_root,
        ann_file="annotations/instances_train2017.json",
        img_dir="train2017",
        classes="voc",
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="SeededSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(
        type="CocoInstanceDataset",
        data_root=data_root,
        ann_file="annotations/instances_val2017.json",
        img_dir="val2017",
        classes="voc",
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type="CocoInstanceMetric"), dict(type="VocInstanceMetric")]
test_evaluator = val_evaluator
