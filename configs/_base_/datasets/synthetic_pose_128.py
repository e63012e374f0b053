"""Drawn people at 128 px: no files, no download. Left and right differ by colour, so nothing is flipped.

At a map stride of 4 the face of anybody smaller than this is a cell or two.
"""

people = dict(type="SyntheticPoseDataset", people=(1, 4), height=(0.7, 0.95), cache=True)

train_pipeline = [dict(type="PoseTargets", strides=(4,), sigma=1.5, style="unbiased")]

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    drop_last=True,
    sampler=dict(type="SeededSampler", shuffle=True),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(people, length=9000, seed=0, pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=20,
    num_workers=0,
    sampler=dict(type="SeededSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(people, length=300, seed=1, test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="CocoMetric")
test_evaluator = val_evaluator
