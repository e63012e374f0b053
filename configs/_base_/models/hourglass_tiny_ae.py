"""A small hourglass for CPUs: two stacks with batch norm, tags drawn wide against collapse."""

model = dict(
    type="Embedder",
    data_preprocessor=dict(type="Preprocessor", channels_last=True),
    backbone=dict(
        type="HourglassAE",
        out_channels=34,
        stacks=2,
        width=64,
        growth=32,
        depth=3,
        stem=(32, 64, 64),
        norm_cfg=dict(type="BN"),
        norm_between=True,
        tag_channels=(17, 34),
        tag_std=0.25,
    ),
    head=dict(
        type="AEHead",
        num_heatmaps=17,
        project=False,
        heatmap_loss=dict(type="HeatmapMSELoss", weight=10.0),
        grouping_loss=dict(type="GroupingLoss", pull_weight=0.1, push_weight=0.5),
    ),
)
