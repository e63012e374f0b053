"""A tiny hourglass learns the 28 images with keypoints of a small part of COCO by heart, on a CPU.

    python tools/train.py configs/pose/hourglass_tiny_coco_mini.py

A check of the whole path on real images, not a recipe: it is evaluated on what it was trained on, and
``tools/test.py`` measures it on other images. ``data_root`` is set for a folder beside the project.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass_tiny_ae.py",
    "../_base_/decoders/unbiased.py",
    "../_base_/datasets/coco_mini_384.py",
]

model = dict(decoder={{_base_.decoder}}, data_preprocessor=dict(channels_last=True))
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=2e-3))
param_scheduler = [dict(type="OneCycleLR", eta_max=2e-3, total_steps=150, by_epoch=True, convert_to_iter_based=True)]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=150, val_interval=25)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
