"""ResNet-152 with associative embedding on COCO at 512 px.

    bash tools/dist_train.sh configs/pose/resnet152_coco_512.py 8

Expected: AP .595 on COCO val2017 with flip, .660 with ``--scales 2 1 0.5`` (open-mmlab/mmpose 0.29 model zoo). Not
reproduced by aemm yet.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/resnet50_ae.py",
    "../_base_/protocols/mmpose.py",
    "../_base_/datasets/coco_pose.py",
    "../_base_/schedules/adam_300e.py",
]

model = dict(
    backbone=dict(depth=152, init_cfg=dict(checkpoint="https://download.pytorch.org/models/resnet152-394f9c45.pth")),
    decoder={{_base_.decoder}},
    tta={{_base_.tta}},
)
train_dataloader = dict(batch_size=16, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
auto_scale_lr = dict(base_batch_size=128)
