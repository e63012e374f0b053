"""Drawn people at 128 px: no files, no download. Left and right differ by colour, so nothing is flipped."""

train_pipeline = [dict(type="PoseTargets", strides=(4,), sigma=1.5, style="unbiased")]

train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type="SeededSampler", shuffle=True),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(type="SyntheticPoseDataset", length=9000, people=(1, 4), seed=0, cache=True, pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=20,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="SeededSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(type="SyntheticPoseDataset", length=300, people=(1, 4), seed=1, cache=True, test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="CocoMetric")
test_evaluator = val_evaluator
