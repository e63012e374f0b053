"""Testing as HigherHRNet's code does it: short side 512 px times each scale, mirrored, decoded at the input's size.

Use with decoders/higherhrnet.py and a batch size of 1, since images keep their proportions; one scale is
``scales=(1,)``. ``size='largest'`` stands for PROJECT2IMAGE off. Published models expect these pixels.
Source: HRNet/HigherHRNet-Human-Pose-Estimation tools/valid.py, lib/core/inference.py and lib/utils/transforms.py.
"""

resize = dict(
    type="ResizeToFit",
    size=512,
    fit="short",
    scales=(2, 1, 0.5),
    sizes="smallest",
    center="whole",
    convention="index",
)
tta = dict(type="TestTimeAugmentation", flip=True, tags="base", size="input")
