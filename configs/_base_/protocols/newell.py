"""The authors' protocol: squares of 512 px, targets, decoding and test-time augmentation as their code has them.

At scale 1 the longer side of the image fills the square, the rest is padded. Published models expect these pixels.
Decoding suppresses within 3 cells, averages tag distances over L, and gives filled keypoints the score 1.
Source: princeton-vl/pose-ae-train data/coco_pose/dp.py, utils/group.py, and multiperson of test.py.
"""

decoder = dict(
    type="PoseDecoder",
    skeleton="coco",
    window=3,
    max_peaks=30,
    threshold=0.1,
    tag_threshold=1.0,
    distance="rms",
    assignment_tie="munkres",
    equal_tags="overwrite",
    max_matched=30,
    stop_when_full=True,
    fill_missing=True,
    filled_score="one",
    filled_border="authors",
    subpixel="quarter",
    tie="stay",
    padding="keep",
    max_instances=30,
)
tta = dict(type="TestTimeAugmentation", flip=True, tags="near", size="largest", max_heat=1.0, drop_above=5.0)
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
test_pipeline = [dict(type="ResizeToFit", size=512, fit="long", square=True, sizes="each", convention="newell")]
