"""HigherHRNet-W48 on COCO at 640 px, by its authors' schedule.

    bash tools/dist_train.sh configs/pose/higherhrnet_w48_coco_640.py 4

Expected: AP .699 on COCO val2017 with flip (HigherHRNet's README). Not reproduced by aemm yet.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/higherhrnet_w48_ae.py",
    "../_base_/decoders/higherhrnet.py",
    "../_base_/tta/higherhrnet.py",
    "../_base_/datasets/coco_pose.py",
    "../_base_/pipelines/short_higher.py",
    "../_base_/schedules/adam_300e_higherhrnet.py",
]

_base_.train_pipeline[0].size = _base_.resize.size = 640
_base_.resize.scales = (1,)
model = dict(decoder={{_base_.decoder}}, tta={{_base_.tta}})
train_dataloader = dict(batch_size=10, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline=[{{_base_.resize}}]))
test_dataloader = val_dataloader
