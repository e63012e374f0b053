"""HigherHRNet-W48 on COCO at 512 px, with unbiased data processing.

    bash tools/dist_train.sh configs/pose/higherhrnet_w48_coco_512_udp.py 8

Expected: AP .690 on COCO val2017 with flip (open-mmlab/mmpose 0.29 model zoo). Not reproduced by aemm yet.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/higherhrnet_ae.py",
    "../_base_/protocols/udp.py",
    "../_base_/datasets/coco_pose.py",
    "../_base_/schedules/adam_300e.py",
]

_base_.train_pipeline[-1].update(_base_.map_strides)
model = dict(backbone={{_base_.w48}}, head=dict(align_corners=True), decoder={{_base_.decoder}}, tta={{_base_.tta}})
train_dataloader = dict(batch_size=16, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
auto_scale_lr = dict(base_batch_size=128)
