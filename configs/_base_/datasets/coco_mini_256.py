"""A small part of COCO at 256 px without augmentation: trained and validated on the same images, tested on others."""

data_root = "../shared/data/coco_mini/"
resize = dict(type="ResizeToFit", size=256, fit="long", square=True)
targets = dict(type="PoseTargets", strides=(4,), sigma=2.0, style="unbiased")

train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type="SeededSampler", shuffle=True),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(
        type="CocoPoseDataset",
        data_root=data_root,
        ann_file="annotations/person_keypoints_train2017.json",
        img_dir="train2017",
        pipeline=[resize, targets],
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type="SeededSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(
        type="CocoPoseDataset",
        data_root=data_root,
        ann_file="annotations/person_keypoints_train2017.json",
        img_dir="train2017",
        pipeline=[resize],
        test_mode=True,
        images="with_keypoints",
    ),
)
test_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type="SeededSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(
        type="CocoPoseDataset",
        data_root=data_root,
        ann_file="annotations/person_keypoints_val2017.json",
        img_dir="val2017",
        pipeline=[resize],
        test_mode=True,
    ),
)
val_evaluator = dict(type="CocoMetric")
test_evaluator = val_evaluator
