"""A tiny hourglass learns groups of drawn people with MPII's keypoints and metric, on a CPU in a few minutes.

python tools/train.py configs/synthetic/mpii_hourglass_tiny_128.py
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass_tiny_ae.py",
    "../_base_/protocols/unbiased.py",
    "../_base_/datasets/synthetic_mpii_128.py",
    "../_base_/schedules/adam_cosine_tiny.py",
]

_base_.decoder.skeleton = "mpii"
_base_.decoder.threshold = 0.2
model = dict(
    backbone=dict(out_channels=48, tag_channels=(16, 48)),
    head=dict(num_heatmaps=16),
    decoder={{_base_.decoder}},
)
default_hooks = dict(checkpoint=dict(save_best="mpii/mAP"))
train_cfg = dict(max_epochs=6, val_interval=1)
