"""Drawn groups at 128 px: no files, no download. Left and right differ by colour, so nothing is flipped."""

_base_ = ["../loaders.py"]

groups = dict(type="SyntheticMpiiDataset", cache=True)
train_pipeline = [
    dict(type="RandomAffine", size=128, rotation=15, scale=(0.8, 1.25), translation=20, fit="long"),
    dict(type="PoseTargets", strides=(4,), sigma=1.5, style="unbiased"),
]
test_pipeline = [dict(type="ResizeToFit", size=128, fit="long", square=True)]
train_dataloader = dict(
    batch_size=8, dataset=dict(groups, length=2700, seed=0, pipeline=train_pipeline), **_base_.in_process
)
val_dataloader = dict(
    batch_size=16,
    dataset=dict(groups, length=200, seed=1, pipeline=test_pipeline, test_mode=True),
    **_base_.in_process,
)
test_dataloader = val_dataloader
val_evaluator = dict(type="MpiiMetric")
test_evaluator = val_evaluator
