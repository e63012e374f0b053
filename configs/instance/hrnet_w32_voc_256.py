"""VOC 2012 masks: the network of hrnet_w32_coco20_256.py, trained on with VOC train.

    bash tools/dist_train.sh configs/instance/hrnet_w32_voc_256.py 8

The same method on the features of another network; the schedule is ours. Not trained by aemm yet.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hrnet_instance.py",
    "../_base_/protocols/instance.py",
    "../_base_/datasets/voc_instance.py",
    "../_base_/schedules/adam_200k.py",
]

model = dict(decoder={{_base_.decoder}}, tta={{_base_.tta}})
default_hooks = dict(checkpoint=dict(save_best="voc/apr_50"))
train_dataloader = dict(batch_size=4, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
load_from = "work_dirs/hrnet_w32_coco20_256/epoch_30.pth"
train_cfg = dict(max_epochs=200, val_interval=20)
param_scheduler = [dict(type="MultiStepLR", milestones=[7000], gamma=0.1, by_epoch=False)]
