"""A tiny hourglass learns the masks of drawn shapes and people on a CPU in a few minutes.

python tools/train.py configs/synthetic/instance_hourglass_tiny_128.py
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass_tiny_instance.py",
    "../_base_/decoders/instance.py",
    "../_base_/datasets/synthetic_instance_128.py",
]

_base_.decoder.num_classes = 5
model = dict(decoder={{_base_.decoder}})
default_hooks = dict(checkpoint=dict(save_best="voc/apr_50"))
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=2e-3))
param_scheduler = [dict(type="OneCycleLR", eta_max=2e-3, total_steps=12, by_epoch=True, convert_to_iter_based=True)]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=12, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
