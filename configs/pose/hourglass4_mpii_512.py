"""Associative embedding as published: four stacked hourglasses on MPII multi-person at 512 px, from scratch.

    bash tools/dist_train.sh configs/pose/hourglass4_mpii_512.py 8

Published is one figure, with several scales and refinement: hourglass4_mpii_512_refine.py. None is for this network
alone, nor for the 350 groups that it validates on, and the paper does not say how its test images were cut out:
training on crops like those tested on is ours; network, augmentation and schedule are those of its COCO model, in as
many epochs as reach the drop of the learning rate. Not trained to the end by aemm yet, nor by any other published code.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass4_ae.py",
    "../_base_/protocols/newell.py",
    "../_base_/datasets/mpii.py",
    "../_base_/schedules/adam_100k.py",
]

_base_.decoder.skeleton = "mpii"
model = dict(head=dict(num_heatmaps=16), decoder={{_base_.decoder}}, tta={{_base_.tta}})
train_dataloader = dict(batch_size=4, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(batch_size=8, dataset=dict(pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=300, val_interval=10)
default_hooks = dict(checkpoint=dict(save_best="mpii/mAP"))
