"""Masks by the histogram of tags: heatmaps above 0.4, instances whose tags are at least 1 apart.

Source: Newell et al. 2017, section 3.3, which gives no numbers. What a cell covers is interpolated between cells, which
blunts thin parts: 0.4 gives back more of them than 0.5 (tools/analysis_tools/instance_decode_cap.py).
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
