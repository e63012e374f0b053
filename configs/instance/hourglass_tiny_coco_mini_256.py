"""A tiny hourglass learns the people of 20 images of COCO by heart, on a CPU.

    python tools/train.py configs/instance/hourglass_tiny_coco_mini_256.py

A check of the whole path on real images, not a recipe: it is measured on the images it was trained on.
``--cfg-options data_root=FOLDER`` says where they are.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass_tiny_instance.py",
    "../_base_/protocols/instance.py",
    "../_base_/datasets/coco_mini_instance_256.py",
    "../_base_/schedules/adam_cosine_tiny.py",
]

_base_.decoder.update(num_classes=1, threshold=0.5, bandwidth=0.15)
model = dict(
    backbone=dict(out_channels=3, tag_channels=(1, 3)),
    head=dict(num_heatmaps=1, coordinate_scale=20.0),  # up to 13 people in an image, beside and behind each other
    decoder={{_base_.decoder}},
    tta={{_base_.tta}},
)
default_hooks = dict(checkpoint=dict(save_best="voc/apr_50"))
train_cfg = dict(max_epochs=300, val_interval=50)
