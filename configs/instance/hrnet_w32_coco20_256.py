"""Masks of the 20 classes that COCO shares with VOC: HRNet-W32 from ImageNet weights, 256 px.

    bash tools/dist_train.sh configs/instance/hrnet_w32_coco20_256.py 8

The same method on the features of another network; the schedule is ours. Not trained by aemm yet.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hrnet_instance.py",
    "../_base_/protocols/instance.py",
    "../_base_/datasets/coco_instance.py",
    "../_base_/schedules/adam_200k.py",
]

model = dict(decoder={{_base_.decoder}}, tta={{_base_.tta}})
default_hooks = dict(checkpoint=dict(save_best="voc/apr_50"))
train_dataloader = dict(batch_size=4, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=30)
param_scheduler = [dict(type="MultiStepLR", milestones=[60000], gamma=0.1, by_epoch=False)]
