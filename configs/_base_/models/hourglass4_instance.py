"""The authors' network for masks: four stacked hourglasses, a heatmap and a tag map for each of VOC's 20 classes.

The sums of equation 2 weigh 1e-4. Source: Newell et al. 2017, sections 3.3 and 4.2.
"""

model = dict(
    type="Embedder",
    data_preprocessor=dict(type="Preprocessor"),
    backbone=dict(type="HourglassAE", out_channels=40, stacks=4, width=256, growth=128),
    head=dict(
        type="AEHead",
        num_heatmaps=20,
        project=False,
        stages="mean",
        heatmap_loss=dict(type="HeatmapMSELoss"),
        grouping_loss=dict(type="PixelGroupingLoss", normalize=False, pull_weight=1e-4, push_weight=1e-4),
    ),
)
