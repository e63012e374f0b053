"""EfficientNet-Lite0 of timm and a feature pyramid, with associative embedding on COCO at 512 px.

    pip install "aemm[timm]"
    bash tools/dist_train.sh configs/pose/timm_efficientnet_lite0_coco_512.py 8

Starts from timm's ImageNet weights, which are fetched then. No score is known: nobody has trained it to its end yet.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/pyramid_ae.py",
    "../_base_/protocols/mmpose.py",
    "../_base_/datasets/coco_pose.py",
    "../_base_/schedules/adam_300e.py",
]

lite0 = dict(type="TimmBackbone", name="tf_efficientnet_lite0", stages=(1, 2, 3, 4), pretrained=True)
grey = (127.5, 127.5, 127.5)  # what the weights were trained with, as mean and as deviation
model = dict(data_preprocessor=dict(mean=grey, std=grey), backbone=dict(backbone=lite0))
model.update(decoder={{_base_.decoder}}, tta={{_base_.tta}})
train_dataloader = dict(batch_size=24, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
