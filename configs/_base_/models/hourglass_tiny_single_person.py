"""A small refinement network for CPUs: one stack with batch norm, 17 heatmaps of a single person and no tags."""

single_person = dict(
    type="Embedder",
    data_preprocessor=dict(type="Preprocessor", channels_last=True),
    backbone=dict(
        type="HourglassAE",
        out_channels=17,
        stacks=1,
        width=64,
        growth=32,
        depth=3,
        stem=(32, 64, 64),
        norm_cfg=dict(type="BN"),
    ),
    head=dict(
        type="AEHead",
        num_heatmaps=17,
        tag_dims=0,
        project=False,
        heatmap_loss=dict(type="HeatmapMSELoss", weight=10.0),
    ),
    decoder=dict(type="SinglePersonDecoder", skeleton="coco", subpixel="gaussian"),
    tta=dict(type="TestTimeAugmentation", flip=True),
)
