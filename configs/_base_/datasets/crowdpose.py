"""CrowdPose: trained on trainval, tested on test. A recipe adds the pipelines and the batch size."""

data_root = "data/crowdpose/"

train_dataloader = dict(
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type="SeededSampler", shuffle=True),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(
        type="CrowdPoseDataset",
        data_root=data_root,
        ann_file="json/crowdpose_trainval.json",
        img_dir="images",
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="SeededSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(
        type="CrowdPoseDataset",
        data_root=data_root,
        ann_file="json/crowdpose_test.json",
        img_dir="images",
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="CrowdPoseMetric")
test_evaluator = val_evaluator
