"""MPII multi-person: trained on crops of groups, validated on 350 groups. A recipe adds pipelines and batch size.

docs/mpii.md says how to get the files below ``data/mpii``.
"""

data_root = "data/mpii/"

train_dataloader = dict(
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type="SeededSampler", shuffle=True),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(
        type="MpiiDataset",
        data_root=data_root,
        ann_file="annotations/mpii_train.json",
        img_dir="images",
        regions="group",
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="SeededSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(type="MpiiGroupDataset", data_root=data_root, ann_file="annotations/mpii_val.json", img_dir="images"),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="MpiiMetric")
test_evaluator = val_evaluator
