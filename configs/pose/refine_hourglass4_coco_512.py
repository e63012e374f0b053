"""The single-person network that refines found people, on COCO at 512 px.

    bash tools/dist_train.sh configs/pose/refine_hourglass4_coco_512.py 8

Its AP is that of people whose boxes are known, one by one. hourglass4_coco_512_refine.py tests with it. No figure is
published for this network alone; schedule and augmentation are those of their multi-person network.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass4_single_person.py",
    "../_base_/datasets/coco_single_person_512.py",
    "../_base_/schedules/adam_200k.py",
]

model = {{_base_.single_person}}
