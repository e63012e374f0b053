"""Testing as the authors' code does it: squares of 512 px times each scale, mirrored, decoded at the largest map size.

Use with decoders/newell.py; one scale is ``scales=(1,)``. Published models expect these pixels.
Source: princeton-vl/pose-ae-train test.py, multiperson.
"""

resize = dict(
    type="ResizeToFit", size=512, fit="long", square=True, scales=(2, 1, 0.5), sizes="each", convention="index"
)
tta = dict(type="TestTimeAugmentation", flip=True, tags="near", size="largest", max_heat=1.0, drop_above=5.0)
