"""ResNet-50 and three deconvolutions to stride 4, from ImageNet weights.

Source: Xiao et al., Simple baselines (ECCV 2018); open-mmlab/mmpose 0.29 associative_embedding/coco.
"""

model = dict(
    type="Embedder",
    data_preprocessor=dict(
        type="Preprocessor", mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375), channels_last=True
    ),
    backbone=dict(
        type="ResNet",
        depth=50,
        init_cfg=dict(type="Pretrained", checkpoint="https://download.pytorch.org/models/resnet50-0676ba61.pth"),
    ),
    head=dict(
        type="AEHead",
        num_heatmaps=17,
        deconv_channels=(256, 256, 256),
        heatmap_loss=dict(type="HeatmapMSELoss"),
        grouping_loss=dict(type="GroupingLoss", form="reference", pull_weight=1e-3, push_weight=1e-3),
        init_cfg=dict(type="Normal", layer=["Conv2d", "ConvTranspose2d"], std=0.001),
    ),
)
