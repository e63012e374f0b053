"""A tiny hourglass learns the 28 images with keypoints of a small part of COCO by heart, on a CPU.

    python tools/train.py configs/pose/hourglass_tiny_coco_mini.py

A check of the whole path on real images, not a recipe: it is evaluated on what it was trained on, and
``tools/test.py`` measures it on other images. ``--cfg-options data_root=FOLDER`` says where they are.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass_tiny_ae.py",
    "../_base_/protocols/unbiased.py",
    "../_base_/datasets/coco_mini_256.py",
    "../_base_/schedules/adam_cosine_tiny.py",
]

_base_.decoder.threshold = 0.2
model = dict(
    backbone=dict(width=64, growth=32, stem=(32, 64, 64)),
    # the people are smaller, beside the image, than drawn ones: tags farther apart, and fewer cells with heat
    head=dict(coordinate_scale=30.0, heatmap_loss=dict(weight=300.0)),
    decoder={{_base_.decoder}},
)
train_cfg = dict(max_epochs=300, val_interval=50)
