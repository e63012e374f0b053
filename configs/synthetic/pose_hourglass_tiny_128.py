"""The embedded default: a tiny hourglass learns drawn people on a CPU in a few minutes.

python tools/train.py configs/synthetic/pose_hourglass_tiny_128.py
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass_tiny_ae.py",
    "../_base_/decoders/unbiased.py",
    "../_base_/datasets/synthetic_pose_128.py",
]

model = dict(decoder={{_base_.decoder}})
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=2e-3))
param_scheduler = [dict(type="OneCycleLR", eta_max=2e-3, total_steps=6, by_epoch=True, convert_to_iter_based=True)]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=6, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
