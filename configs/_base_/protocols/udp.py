"""Unbiased data processing: augmentation as in higherhrnet.py without rounding, decoded at the size of the base map.

Images to test on keep their proportions, so that their batch size is 1.
Source: Huang et al., The devil is in the details: delving into unbiased data processing for human pose estimation
(CVPR 2020).
"""

_base_ = ["unbiased.py"]

tta = dict(type="TestTimeAugmentation", flip=True, tags="base", size="base")
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
test_pipeline = [dict(type="ResizeToFit", size=512, fit="short", convention="udp")]
