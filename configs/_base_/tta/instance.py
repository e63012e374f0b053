"""Testing at three scales, each with proposals of its own, merged by non-maximum suppression of the masks.

One scale is ``scales=(1,)``. Source: Newell et al. 2017, section 4.2.
"""

resize = dict(type="ResizeToFit", size=256, fit="long", square=True, scales=(0.5, 1, 1.5))
tta = dict(type="TestTimeAugmentation", merge="instances")
