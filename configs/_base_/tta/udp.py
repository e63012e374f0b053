"""Testing with unbiased data processing: short side 512 px times each scale, mirrored, decoded at the base map's size.

Use with decoders/unbiased.py and a batch size of 1, since images keep their proportions; one scale is ``scales=(1,)``.
Source: Huang et al., The devil is in the details: delving into unbiased data processing for human pose estimation
(CVPR 2020).
"""

resize = dict(type="ResizeToFit", size=512, fit="short", scales=(2, 1, 0.5), convention="udp")
tta = dict(type="TestTimeAugmentation", flip=True, tags="base", size="base")
