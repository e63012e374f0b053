"""Decoding as HigherHRNet does it: 5-cell suppression, plain tag distance, filled keypoints keep their heat.

Source: HRNet/HigherHRNet-Human-Pose-Estimation, lib/core/group.py and experiments/coco/higher_hrnet.
Draw targets with style='higherhrnet'.
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
