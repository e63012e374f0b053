"""A tiny hourglass learns groups of drawn people with MPII's keypoints and metric, on a CPU in a few minutes.

python tools/train.py configs/synthetic/mpii_hourglass_tiny_128.py
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass_tiny_ae.py",
    "../_base_/decoders/unbiased.py",
    "../_base_/datasets/synthetic_mpii_128.py",
]

_base_.decoder.skeleton = "mpii"
model = dict(
    backbone=dict(out_channels=32, tag_channels=(16, 32)),
    head=dict(num_heatmaps=16),
    decoder={{_base_.decoder}},
)
default_hooks = dict(checkpoint=dict(save_best="mpii/mAP"))
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=2e-3))
param_scheduler = [dict(type="OneCycleLR", eta_max=2e-3, total_steps=6, by_epoch=True, convert_to_iter_based=True)]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=6, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
