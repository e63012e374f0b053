"""A tiny hourglass learns the masks of drawn shapes and people on a CPU in a few minutes.

python tools/train.py configs/synthetic/instance_hourglass_tiny_128.py
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass_tiny_instance.py",
    "../_base_/protocols/instance.py",
    "../_base_/datasets/synthetic_instance_128.py",
    "../_base_/schedules/adam_cosine_tiny.py",
]

_base_.decoder.num_classes = 5
model = dict(decoder={{_base_.decoder}}, tta={{_base_.tta}})
default_hooks = dict(checkpoint=dict(save_best="voc/apr_50"))
train_cfg = dict(max_epochs=10, val_interval=1)
