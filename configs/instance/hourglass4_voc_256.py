"""VOC 2012 masks as published: the network of hourglass4_coco20_256.py, trained on with VOC train.

    bash tools/dist_train.sh configs/instance/hourglass4_voc_256.py 8

The paper trains three days on COCO and 12 hours on VOC, a sixth: 41,000 iterations of 32 images, 900 epochs of 1,464,
the last quarter at the lower rate. It tests with ``--scales 0.5 1 1.5``. Not trained by aemm yet.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass4_instance.py",
    "../_base_/protocols/instance.py",
    "../_base_/datasets/voc_instance.py",
    "../_base_/schedules/adam_200k.py",
]

model = dict(decoder={{_base_.decoder}}, tta={{_base_.tta}})
load_from = "work_dirs/hourglass4_coco20_256/epoch_85.pth"
default_hooks = dict(checkpoint=dict(interval=50, save_best="voc/apr_50"))
train_dataloader = dict(batch_size=4, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
param_scheduler = [dict(type="MultiStepLR", milestones=[31000], gamma=0.05, by_epoch=False)]
train_cfg = dict(max_epochs=900, val_interval=50)
