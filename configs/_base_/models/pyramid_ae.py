"""A feature pyramid to stride 4 behind a backbone from elsewhere, heatmaps and tags there; the leaf names the backbone.

Source: Lin et al., Feature pyramid networks (CVPR 2017); Li et al., Plain vision transformer backbones (ECCV 2022).
"""

_base_ = ["resnet50_ae.py"]

model = dict(
    backbone=dict(_delete_=True, type="FeaturePyramid", channels=128, strides=(4,)),
    head=dict(deconv_channels=()),
)
