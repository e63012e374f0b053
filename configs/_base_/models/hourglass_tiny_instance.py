"""As hourglass_tiny_ae.py with heatmaps and tags of five classes."""

_base_ = ["hourglass_tiny_ae.py"]

model = dict(
    backbone=dict(out_channels=15, tag_channels=(5, 15)),
    head=dict(
        num_heatmaps=5,
        heatmap_loss=dict(weight=20.0),
        grouping_loss=dict(type="PixelGroupingLoss", normalize=True),
    ),
)
