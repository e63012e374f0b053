"""HigherHRNet-W32 on COCO at 640 px.

    bash tools/dist_train.sh configs/pose/higherhrnet_w32_coco_640.py 8

Expected: AP .686 on COCO val2017 with flip, .706 with ``--scales 2 1 0.5`` (open-mmlab/mmpose 0.29 model zoo). Not
reproduced by aemm yet.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/higherhrnet_ae.py",
    "../_base_/protocols/mmpose.py",
    "../_base_/datasets/coco_pose.py",
    "../_base_/schedules/adam_300e.py",
]

_base_.train_pipeline[0].size = _base_.test_pipeline[0].size = 640
_base_.train_pipeline[-1].update(_base_.map_strides)
model = dict(decoder={{_base_.decoder}}, tta={{_base_.tta}})
train_dataloader = dict(batch_size=16, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
auto_scale_lr = dict(base_batch_size=128)
