"""HigherHRNet's protocol: the shorter side becomes 512 px, decoded at the size of the input.

In training, what leaves the square is cut off. Images to test on keep their proportions, so that their batch size is 1.
``size="largest"`` stands for PROJECT2IMAGE off. Published models expect these pixels.
Source: HRNet/HigherHRNet-Human-Pose-Estimation lib/dataset/transforms, lib/dataset/target_generators, lib/core,
lib/utils/transforms.py and tools/valid.py.
"""

decoder = dict(
    type="PoseDecoder",
    skeleton="coco",
    window=5,
    max_peaks=30,
    threshold=0.1,
    tag_threshold=1.0,
    distance="l2",
    assignment_tie="munkres",
    equal_tags="overwrite",
    max_matched=30,
    stop_when_full=False,
    fill_missing=True,
    filled_score="heatmap",
    filled_border="map",
    subpixel="quarter",
    tie="stay",
    padding="keep",
    max_instances=30,
)
tta = dict(type="TestTimeAugmentation", flip=True, tags="base", size="input")
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
test_pipeline = [
    dict(type="ResizeToFit", size=512, fit="short", sizes="smallest", center="whole", convention="index"),
]
