"""Decoding as the authors' code does it: 3-cell suppression, tag distance averaged over L, filled keypoints score 1.

Source: princeton-vl/pose-ae-train, utils/group.py and test.py. Draw targets with style='newell'.
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
