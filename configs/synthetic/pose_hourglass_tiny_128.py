"""The embedded default: a tiny hourglass learns drawn people on a CPU in a few minutes.

python tools/train.py configs/synthetic/pose_hourglass_tiny_128.py
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass_tiny_ae.py",
    "../_base_/protocols/unbiased.py",
    "../_base_/datasets/synthetic_pose_128.py",
    "../_base_/schedules/adam_cosine_tiny.py",
]

_base_.decoder.update(threshold=0.2, tag_threshold=1.5)
model = dict(decoder={{_base_.decoder}})
train_cfg = dict(max_epochs=6)
