"""The single-person network that refines found people, on MPII at 512 px.

    bash tools/dist_train.sh configs/pose/refine_hourglass4_mpii_512.py 8

Its AP is by OKS over people whose boxes are known, one by one. hourglass4_mpii_512_refine.py tests with it. No figure
is published for it; schedule and augmentation are those of refine_hourglass4_coco_512.py. Files as in mpii.py.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass4_single_person.py",
    "../_base_/datasets/coco_single_person_512.py",
    "../_base_/schedules/adam_200k.py",
]

_base_.single_person.backbone.out_channels = _base_.single_person.head.num_heatmaps = 16
_base_.single_person.decoder.skeleton = "mpii"
model = {{_base_.single_person}}
data_root = "data/mpii/"
people = dict(data_root=data_root, img_dir="images", skeleton="mpii")
train_dataloader = dict(dataset=dict(people, ann_file="annotations/mpii_train.json"))
val_dataloader = dict(dataset=dict(people, ann_file="annotations/mpii_val.json"))
test_dataloader = val_dataloader
