"""The tiny hourglass on a small part of COCO, people refined by a tiny single-person network.

    python tools/test.py configs/pose/hourglass_tiny_coco_mini_refine.py CHECKPOINT

A check of the whole path, not a recipe. It is tested on the images both networks were trained on; the weights of
refine_hourglass_tiny_coco_mini.py are where ``refiner`` names them.
"""

_base_ = ["./hourglass_tiny_coco_mini.py", "../_base_/models/hourglass_tiny_single_person.py"]

refiner = dict(
    type="SinglePersonRefiner",
    model={{_base_.single_person}},
    checkpoint="work_dirs/refine_hourglass_tiny_coco_mini/epoch_120.pth",
    sizes=(192, 160, 128),
    multiple_of=32,
)
model = dict(postprocessors=[refiner])
pipeline = [dict(type="KeepOriginal"), {{_base_.resize}}]
val_dataloader = dict(batch_size=1, dataset=dict(pipeline=pipeline))
test_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file="annotations/person_keypoints_train2017.json",
        img_dir="train2017",
        images="with_keypoints",
        pipeline=pipeline,
    ),
)
