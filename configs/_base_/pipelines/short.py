"""HigherHRNet's augmentation at 512 px, maps at stride 4.

What leaves the square is cut off: at scale 1 the shorter side of the image fills it. Test with tta/higherhrnet.py.
Source: HRNet/HigherHRNet-Human-Pose-Estimation lib/dataset/transforms and lib/dataset/target_generators.
"""

train_pipeline = [
    dict(
        type="RandomAffine",
        size=512,
        rotation=30,
        scale=(0.75, 1.5),
        translation=40,
        fit="short",
        convention="index",
        moves="whole",
    ),
    dict(type="RandomFlip"),
    dict(type="PoseTargets", strides=(4,), sigma=2.0, style="higherhrnet"),
]
