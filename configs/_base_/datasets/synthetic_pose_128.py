"""Drawn people at 128 px: no files, no download. Left and right differ by colour, so nothing is flipped.

At a map stride of 4 the face of anybody smaller than this is a cell or two. Training shows more people at once than
validation: a step then learns from more of them in the same time, and meets more of them half covered.
"""

_base_ = ["../loaders.py"]

people = dict(type="SyntheticPoseDataset", height=(0.7, 0.95), cache=True)
train_pipeline = [dict(type="PoseTargets", strides=(4,), sigma=1.0, style="unbiased")]
train_dataloader = dict(
    batch_size=8,
    dataset=dict(people, length=10000, people=(4, 6), seed=0, pipeline=train_pipeline),
    **_base_.in_process,
)
fit_to_size = [dict(type="ResizeToFit", size=128, fit="long", square=True)]  # drawings stay, photos are brought to it
val_dataloader = dict(
    batch_size=20,
    dataset=dict(people, length=300, people=(1, 4), seed=1, pipeline=fit_to_size, test_mode=True),
    **_base_.in_process,
)
test_dataloader = val_dataloader
val_evaluator = dict(type="CocoMetric")
test_evaluator = val_evaluator
