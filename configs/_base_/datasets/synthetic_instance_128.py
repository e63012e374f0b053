"""Drawn shapes and people of five classes at 128 px with their masks: no files, no download."""

_base_ = ["../loaders.py"]

scenes = dict(type="SyntheticInstanceDataset", image_size=128, cache=True)
augmentation = [dict(type="RandomFlip"), dict(type="InstanceTargets", strides=(4,), num_classes=5)]
train_dataloader = dict(
    batch_size=8, dataset=dict(scenes, length=4000, seed=0, pipeline=augmentation), **_base_.in_process
)
fit_to_size = [dict(type="ResizeToFit", size=128, fit="long", square=True)]  # drawings stay, photos are brought to it
val_dataloader = dict(
    batch_size=16,
    dataset=dict(scenes, length=200, seed=1, pipeline=fit_to_size, test_mode=True),
    **_base_.in_process,
)
test_dataloader = val_dataloader
val_evaluator = dict(type="VocInstanceMetric", void="exclude")
test_evaluator = val_evaluator
