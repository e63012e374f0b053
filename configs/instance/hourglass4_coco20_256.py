"""Masks of the 20 classes that COCO shares with VOC: four stacked hourglasses from scratch, 256 px.

    bash tools/dist_train.sh configs/instance/hourglass4_coco20_256.py 8

The first half of the published training, whose three days become as many images as the pose recipe sees,
247,500 iterations of 32: 85 epochs of the 93,000 images that show one of the classes. The paper gives no figure for
it. Not trained by aemm yet.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass4_instance.py",
    "../_base_/protocols/instance.py",
    "../_base_/datasets/coco_instance.py",
    "../_base_/schedules/adam_200k.py",
]

model = dict(decoder={{_base_.decoder}}, tta={{_base_.tta}})
default_hooks = dict(checkpoint=dict(save_best="voc/apr_50"))
train_dataloader = dict(batch_size=4, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=85)
