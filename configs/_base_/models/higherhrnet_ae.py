"""HigherHRNet: heatmaps at strides 4 and 2, tags at 4, on the backbone of hrnet_ae.py, in width 32 or 48.

A recipe draws targets for these: ``_base_.train_pipeline[-1].update(_base_.map_strides)``.
Source: Cheng et al., HigherHRNet (CVPR 2020); HRNet/HigherHRNet-Human-Pose-Estimation experiments/coco/higher_hrnet.
"""

_base_ = ["hrnet_ae.py"]

map_strides = dict(strides=(4, 2), tag_strides=(4,))
model = dict(
    head=dict(
        type="HigherHead",
        train_heatmaps=(True, True),
        train_tags=(True, False),
        test_heatmaps=(True, True),
        test_tags=(True, False),
        stages="sum",
    ),
)
