"""A plain vision transformer of timm and a simple feature pyramid, with associative embedding on COCO at 512 px.

    pip install "aemm[timm]"
    bash tools/dist_train.sh configs/pose/timm_vit_small_coco_512.py 8

Starts from timm's ImageNet-21k weights, which are fetched then.
No score is known: nobody has trained it to its end yet.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/pyramid_ae.py",
    "../_base_/protocols/mmpose.py",
    "../_base_/datasets/coco_pose.py",
    "../_base_/schedules/adam_300e.py",
]

vit = dict(type="TimmBackbone", name="vit_small_patch16_224.augreg_in21k", pretrained=True)
grey = (127.5, 127.5, 127.5)  # what the weights were trained with, as mean and as deviation
model = dict(data_preprocessor=dict(mean=grey, std=grey), backbone=dict(backbone=vit))
model.update(decoder={{_base_.decoder}}, tta={{_base_.tta}})
optim_wrapper = dict(optimizer=dict(_delete_=True, type="AdamW", lr=5e-4, weight_decay=0.05))
train_dataloader = dict(batch_size=24, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
