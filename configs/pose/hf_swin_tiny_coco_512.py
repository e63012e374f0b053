"""Swin tiny of Hugging Face and a feature pyramid, with associative embedding on COCO at 512 px.

    pip install "aemm[transformers]"
    bash tools/dist_train.sh configs/pose/hf_swin_tiny_coco_512.py 8

Starts from ImageNet weights, which are fetched then. No score is known: nobody has trained it to its end yet.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/pyramid_ae.py",
    "../_base_/protocols/mmpose.py",
    "../_base_/datasets/coco_pose.py",
    "../_base_/schedules/adam_300e.py",
]

tiny = dict(model_type="swin", embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], window_size=7)
swin = dict(name="microsoft/swin-tiny-patch4-window7-224", architecture=tiny, stages=(1, 2, 3, 4), pretrained=True)
model = dict(backbone=dict(backbone=dict(type="HuggingFaceBackbone", **swin)))
model.update(decoder={{_base_.decoder}}, tta={{_base_.tta}})
optim_wrapper = dict(optimizer=dict(_delete_=True, type="AdamW", lr=5e-4, weight_decay=0.05))
train_dataloader = dict(batch_size=24, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
