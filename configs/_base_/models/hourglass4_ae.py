"""The authors' network: four stacked hourglasses, 17 heatmaps and 17 tag maps in 68 channels, half of them unused.

Source: Newell et al. 2017, section 3; princeton-vl/pose-ae-train models/posenet.py and task/pose.py.
"""

model = dict(
    type="Embedder",
    data_preprocessor=dict(type="Preprocessor", channels_last=True),
    backbone=dict(type="HourglassAE", out_channels=68, stacks=4, width=256, growth=128),
    head=dict(
        type="AEHead",
        num_heatmaps=17,
        project=False,
        stages="mean",
        heatmap_loss=dict(type="HeatmapMSELoss"),
        grouping_loss=dict(type="GroupingLoss", form="reference", pull_weight=1e-3, push_weight=1e-3),
    ),
)
