"""HigherHRNet's augmentation at 512 px without quantisation, maps at stride 4.

Test with tta/udp.py. Source: as short.py; Huang et al., The devil is in the details: delving into unbiased data
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
    dict(type="PoseTargets", strides=(4,), sigma=2.0, style="unbiased"),
]
