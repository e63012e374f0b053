"""HRNet-W32 with heatmaps and tags at stride 4, from ImageNet weights; HRNet-W48 by ``backbone={{_base_.w48}}``.

Source: Sun et al. (CVPR 2019); bottom-up as the baseline of Cheng et al., HigherHRNet (CVPR 2020), table 1.
"""

model = dict(
    type="Embedder",
    data_preprocessor=dict(
        type="Preprocessor", mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375), channels_last=True
    ),
    backbone=dict(
        type="HRNet",
        width=32,
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w32-36af842e.pth",
        ),
    ),
    head=dict(
        type="AEHead",
        num_heatmaps=17,
        heatmap_loss=dict(type="HeatmapMSELoss"),
        grouping_loss=dict(type="GroupingLoss", form="reference", pull_weight=1e-3, push_weight=1e-3),
        init_cfg=dict(type="Normal", layer=["Conv2d", "ConvTranspose2d"], std=0.001),
    ),
)
w48 = dict(
    width=48,
    init_cfg=dict(checkpoint="https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth"),
)
