"""Instance masks at 256 px, maps of 64 x 64 cells, grouped by the histogram of their tags.

Heatmaps count above 0.4: what a cell covers is interpolated between cells, which blunts thin parts, and 0.4 gives back
more of them than 0.5 (tools/analysis_tools/instance_decode_cap.py). Every scale makes proposals of its own, merged by
non-maximum suppression of the masks; published are ``--scales 0.5 1 1.5``.
Source: Newell et al. 2017, sections 3.3 and 4.2; thresholds, sizes and augmentation are ours, the paper gives none.
"""

decoder = dict(
    type="InstanceDecoder",
    num_classes=20,
    threshold=0.4,
    radius=1.0,
    bandwidth=0.3,
    distance="l2",
    min_cells=2,
    min_area=4,
    max_instances=100,
    nms_threshold=0.5,
)
tta = dict(type="TestTimeAugmentation", merge="instances")
train_pipeline = [
    dict(type="RandomAffine", size=256, rotation=15, scale=(0.5, 1.25), translation=40, fit="long"),
    dict(type="RandomFlip"),
    dict(type="ColorJitter"),
    dict(type="InstanceTargets", strides=(4,), num_classes=20, samples=20, size_range=(16, 256)),
]
test_pipeline = [dict(type="ResizeToFit", size=256, fit="long", square=True)]
