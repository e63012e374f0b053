"""The refinement network: the authors' four stacked hourglasses, with 17 heatmaps of a single person and no tags.

Source: Newell et al. 2017, section 4.1; princeton-vl/pose-ae-demo model.py.
"""

single_person = dict(
    type="Embedder",
    data_preprocessor=dict(type="Preprocessor", channels_last=True),
    backbone=dict(type="HourglassAE", out_channels=17, stacks=4, width=256, growth=128),
    head=dict(type="AEHead", num_heatmaps=17, tag_dims=0, project=False, stages="mean"),
    decoder=dict(type="SinglePersonDecoder", skeleton="coco", subpixel="quarter"),
    tta=dict(type="TestTimeAugmentation", flip=True),
)
