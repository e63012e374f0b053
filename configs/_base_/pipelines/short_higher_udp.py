"""HigherHRNet's augmentation at 512 px without quantisation, heatmaps at strides 4 and 2, tags at stride 4.

Test with tta/udp.py. Source: as short_higher.py; Huang et al., The devil is in the details: delving into unbiased data
processing for human pose estimation (CVPR 2020).
"""

train_pipeline = [
    dict(
        type="RandomAffine",
        size=512,
        rotation=30,
        scale=(0.75, 1.5),
        translation=40,
        fit="short",
        convention="udp",
        moves="whole",
    ),
    dict(type="RandomFlip"),
    dict(type="PoseTargets", strides=(4, 2), tag_strides=(4,), sigma=2.0, style="unbiased"),
]
