"""As resnet50_ae.py, on MobileNetV2 from ImageNet weights.

Source: open-mmlab/mmpose 0.29 associative_embedding/coco/mobilenetv2_coco_512x512.py, there from other weights.
"""

_base_ = ["resnet50_ae.py"]

weights = dict(type="Pretrained", checkpoint="https://download.pytorch.org/models/mobilenet_v2-b0353104.pth")
model = dict(backbone=dict(_delete_=True, type="MobileNetV2", init_cfg=weights))
