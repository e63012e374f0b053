"""HigherHRNet-W48 on COCO at 640 px, by its authors' schedule.

    bash tools/dist_train.sh configs/pose/higherhrnet_w48_coco_640.py 4

Expected: AP .699 on COCO val2017 with flip, .721 with ``--scales 2 1 0.5`` (HigherHRNet's README). Not reproduced by
aemm yet.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/higherhrnet_ae.py",
    "../_base_/protocols/higherhrnet.py",
    "../_base_/datasets/coco_pose.py",
    "../_base_/schedules/adam_300e_higherhrnet.py",
]

_base_.train_pipeline[0].size = _base_.test_pipeline[0].size = 640
_base_.train_pipeline[-1].update(_base_.map_strides)
model = dict(backbone={{_base_.w48}}, decoder={{_base_.decoder}}, tta={{_base_.tta}})
train_dataloader = dict(batch_size=10, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
