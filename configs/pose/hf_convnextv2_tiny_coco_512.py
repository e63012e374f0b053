"""ConvNeXt V2 tiny of Hugging Face and three deconvolutions, with associative embedding on COCO at 512 px.

    pip install "aemm[transformers]"
    bash tools/dist_train.sh configs/pose/hf_convnextv2_tiny_coco_512.py 8

Starts from ImageNet-22k weights, which are fetched then. No score is known: nobody has trained it to its end yet.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/resnet50_ae.py",
    "../_base_/protocols/mmpose.py",
    "../_base_/datasets/coco_pose.py",
    "../_base_/schedules/adam_300e.py",
]

tiny = dict(model_type="convnextv2", depths=[3, 3, 9, 3], hidden_sizes=[96, 192, 384, 768])
convnext = dict(type="HuggingFaceBackbone", name="facebook/convnextv2-tiny-22k-224", architecture=tiny)
model = dict(backbone=dict(_delete_=True, pretrained=True, **convnext), decoder={{_base_.decoder}}, tta={{_base_.tta}})
optim_wrapper = dict(optimizer=dict(_delete_=True, type="AdamW", lr=5e-4, weight_decay=0.05))
train_dataloader = dict(batch_size=24, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
