"""A small hourglass for CPUs with heatmaps and tag maps of five classes, tags drawn wide against collapse."""

model = dict(
    type="Embedder",
    data_preprocessor=dict(type="Preprocessor", channels_last=True),
    backbone=dict(
        type="HourglassAE",
        out_channels=10,
        stacks=2,
        width=64,
        growth=32,
        depth=3,
        stem=(32, 64, 64),
        norm_cfg=dict(type="BN"),
        norm_between=True,
        tag_channels=(5, 10),
        tag_std=0.25,
    ),
    head=dict(
        type="AEHead",
        num_heatmaps=5,
        project=False,
        heatmap_loss=dict(type="HeatmapMSELoss", weight=10.0),
        grouping_loss=dict(type="PixelGroupingLoss", normalize=True, pull_weight=0.1, push_weight=0.5),
    ),
)
