"""A small hourglass for CPUs: one stack with batch norm, and semi-convolutional tags of two dimensions.

The coordinates of a cell are added to its tag, so that the network has to predict the way to a point of the person,
which a small one learns several times faster than tags out of nothing. The number of maps follows from the skeleton.
"""

model = dict(
    type="Embedder",
    data_preprocessor=dict(type="Preprocessor", channels_last=True),
    backbone=dict(
        type="HourglassAE",
        stacks=1,
        width=48,
        growth=24,
        depth=3,
        stem=(16, 32, 48),
        norm_cfg=dict(type="BN"),
        norm_between=True,
        tag_std=0.02,
    ),
    head=dict(
        type="AEHead",
        tag_dims=2,
        coordinate_scale=10.0,
        project=False,
        heatmap_loss=dict(type="HeatmapMSELoss", weight=100.0),
        grouping_loss=dict(type="GroupingLoss", pull_weight=0.3, push_weight=0.6),
    ),
)
