"""The authors' augmentation at 512 px, maps at stride 4.

At scale 1 the longer side of the image fills the square, the rest is padded. Test with tta/newell.py.
Source: princeton-vl/pose-ae-train data/coco_pose/dp.py.
"""

train_pipeline = [
    dict(
        type="RandomAffine",
        size=512,
        rotation=30,
        scale=(0.75, 1.25),
        translation=40,
        fit="long",
        convention="newell",
        moves="whole",
    ),
    dict(type="RandomFlip"),
    dict(type="ColorJitter"),
    dict(type="PoseTargets", strides=(4,), style="newell"),
]
