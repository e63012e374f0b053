"""Decoding without quantisation, for targets of style "unbiased": keypoints lie on top of the Gaussian through 3 cells.

Equal costs of the assignment go to the nearest tags, and nothing is found in padding; otherwise as in higherhrnet.py.
The tiny recipes use it; they have pipelines of their own, and mirror nothing.
Source: Zhang et al., Distribution-aware coordinate representation for human pose estimation (CVPR 2020), here along
each axis and without smoothing.
"""

decoder = dict(
    type="PoseDecoder",
    skeleton="coco",
    window=5,
    max_peaks=30,
    threshold=0.1,
    tag_threshold=1.0,
    distance="l2",
    assignment_tie="nearest",
    equal_tags="apart",
    max_matched=30,
    stop_when_full=False,
    fill_missing=True,
    filled_score="heatmap",
    filled_border="map",
    subpixel="gaussian",
    tie="stay",
    padding="clear",
    max_instances=30,
)
