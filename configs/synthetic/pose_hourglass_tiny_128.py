"""The embedded default: a tiny hourglass learns drawn people on a CPU in a quarter of an hour or less.

python tools/train.py configs/synthetic/pose_hourglass_tiny_128.py
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass_tiny_ae.py",
    "../_base_/protocols/unbiased.py",
    "../_base_/datasets/synthetic_pose_128.py",
    "../_base_/schedules/adam_cosine_tiny.py",
]

_base_.decoder.update(threshold=0.2, tag_threshold=1.5, filled_cost="squared")
model = dict(backbone=dict(growth=40, stem=(24, 48, 48), pool=False), decoder={{_base_.decoder}})
optim_wrapper = dict(optimizer=dict(lr=1.6e-2, betas=(0.9, 0.99), fused=True))
train_cfg = dict(max_epochs=4)
