"""COCO keypoints 2017. A recipe adds the pipelines and the batch size."""

data_root = "data/coco/"

train_dataloader = dict(
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
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="SeededSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="aemm.collate"),
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
