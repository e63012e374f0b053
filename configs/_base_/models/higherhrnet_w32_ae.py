"""HigherHRNet-W32: heatmaps at strides 4 and 2, tags at 4, from ImageNet weights. A recipe draws targets for these.

Source: Cheng et al., HigherHRNet (CVPR 2020); HRNet/HigherHRNet-Human-Pose-Estimation experiments/coco/higher_hrnet.
"""

model = dict(
    type="Embedder",
    data_preprocessor=dict(type="Preprocessor", mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)),
    backbone=dict(
        type="HRNet",
        width=32,
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w32-36af842e.pth",
        ),
    ),
    head=dict(
        type="HigherHead",
        num_heatmaps=17,
        train_heatmaps=(True, True),
        train_tags=(True, False),
        test_heatmaps=(True, True),
        test_tags=(True, False),
        stages="sum",
        heatmap_loss=dict(type="HeatmapMSELoss"),
        grouping_loss=dict(type="GroupingLoss", form="reference", pull_weight=1e-3, push_weight=1e-3),
        init_cfg=dict(type="Normal", layer=["Conv2d", "ConvTranspose2d"], std=0.001),
    ),
)
map_strides = dict(strides=(4, 2), tag_strides=(4,))
