"""Masks of all 80 classes of COCO: four stacked hourglasses from scratch, 256 px.

    bash tools/dist_train.sh configs/instance/hourglass4_coco_256.py 8

As many images as the pose recipe sees, 68 epochs of the 117,266 that have masks. The paper gives no figure on COCO.
Not trained by aemm yet.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass4_instance.py",
    "../_base_/protocols/instance.py",
    "../_base_/datasets/coco_instance.py",
    "../_base_/schedules/adam_200k.py",
]

_base_.decoder.num_classes = _base_.train_pipeline[-1].num_classes = 80
model = dict(
    backbone=dict(out_channels=160),
    head=dict(num_heatmaps=80),
    decoder={{_base_.decoder}},
    tta={{_base_.tta}},
)
default_hooks = dict(checkpoint=dict(save_best="segm/AP"))
train_dataloader = dict(batch_size=4, dataset=dict(classes=None, pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(classes=None, pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=68)
