"""Associative embedding as published: four stacked hourglasses on COCO at 512 px.

    bash tools/dist_train.sh configs/pose/hourglass4_coco_512.py 8

Expected: AP .566 on COCO test-dev at a single scale (Newell et al. 2017, table 2); about .59, and .66 with
``--scales 2 1 0.5``, on 500 images that the authors held out of train2014 (README of their code). Not reproduced by
aemm yet. Data and schedule are those of their code; ``--cfg-options "param_scheduler.0.milestones=[100000]"
train_cfg.max_epochs=85`` trains by the paper's.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass4_ae.py",
    "../_base_/protocols/newell.py",
    "../_base_/datasets/coco_pose.py",
    "../_base_/schedules/adam_200k.py",
]

model = dict(decoder={{_base_.decoder}}, tta={{_base_.tta}})
data = dict(images="with_keypoints", ignore=("crowd",), pipeline={{_base_.train_pipeline}})
train_dataloader = dict(batch_size=4, dataset=data)
val_dataloader = dict(batch_size=8, dataset=dict(pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
