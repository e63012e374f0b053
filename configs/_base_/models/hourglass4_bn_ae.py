"""Four stacked hourglasses with batch norm, 17 heatmaps and 17 tag maps, from scratch: all weights start near 0.

Source: open-mmlab/mmpose 0.29 associative_embedding/coco/hourglass_ae_coco_512x512.py and
mmpose/models/backbones/hourglass_ae.py.
"""

_base_ = ["hourglass4_ae.py"]

model = dict(
    data_preprocessor=dict(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)),
    backbone=dict(
        out_channels=34,
        norm_cfg=dict(type="BN"),
        norm_between=True,
        init_cfg=[
            dict(type="Normal", layer="Conv2d", std=0.001),
            dict(type="Constant", layer="BatchNorm2d", val=1),
        ],
    ),
    head=dict(stages="sum"),
)
