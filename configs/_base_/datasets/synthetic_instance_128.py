"""Drawn shapes and people of five classes at 128 px with their masks: no files, no download."""

scenes = dict(type="SyntheticInstanceDataset", image_size=128, cache=True)
train_pipeline = [dict(type="RandomFlip"), dict(type="InstanceTargets", strides=(4,), num_classes=5)]

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    drop_last=True,
    sampler=dict(type="SeededSampler", shuffle=True),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(scenes, length=4000, seed=0, pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type="SeededSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="aemm.collate"),
    dataset=dict(scenes, length=200, seed=1, test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="VocInstanceMetric", void="exclude")
test_evaluator = val_evaluator
