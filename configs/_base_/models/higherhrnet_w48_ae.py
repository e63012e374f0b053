"""As higherhrnet_w32_ae.py with the wider HRNet-W48.

Source: Cheng et al., HigherHRNet (CVPR 2020); HRNet/HigherHRNet-Human-Pose-Estimation experiments/coco/higher_hrnet.
"""

_base_ = ["higherhrnet_w32_ae.py"]

model = dict(
    backbone=dict(
        width=48,
        init_cfg=dict(checkpoint="https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth"),
    )
)
