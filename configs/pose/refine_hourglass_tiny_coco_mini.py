"""A tiny single-person hourglass learns the people of a small part of COCO, on a CPU.

    python tools/train.py configs/pose/refine_hourglass_tiny_coco_mini.py

A check of the whole path, not a recipe: it is evaluated on what it was trained on. hourglass_tiny_coco_mini_refine.py
tests with it.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass_tiny_single_person.py",
    "../_base_/datasets/coco_mini_single_person_192.py",
    "../_base_/schedules/adam_cosine_tiny.py",
]

model = {{_base_.single_person}}
train_cfg = dict(max_epochs=120, val_interval=20)
