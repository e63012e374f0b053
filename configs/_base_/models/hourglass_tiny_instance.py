"""A small hourglass for CPUs with heatmaps and semi-convolutional tags of five classes."""

model = dict(
    type="Embedder",
    data_preprocessor=dict(type="Preprocessor", channels_last=True),
    backbone=dict(
        type="HourglassAE",
        out_channels=15,
        stacks=1,
        width=48,
        growth=24,
        depth=3,
        stem=(16, 32, 48),
        norm_cfg=dict(type="BN"),
        norm_between=True,
        tag_channels=(5, 15),
        tag_std=0.02,
    ),
    head=dict(
        type="AEHead",
        num_heatmaps=5,
        tag_dims=2,
        coordinate_scale=10.0,
        project=False,
        heatmap_loss=dict(type="HeatmapMSELoss", weight=20.0),
        grouping_loss=dict(type="PixelGroupingLoss", normalize=True, pull_weight=0.3, push_weight=0.6),
    ),
)
