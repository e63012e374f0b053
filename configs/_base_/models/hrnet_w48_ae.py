"""As hrnet_w32_ae.py with the wider HRNet-W48.

Source: Sun et al. (CVPR 2019); bottom-up as the baseline of Cheng et al., HigherHRNet (CVPR 2020), table 1.
"""

_base_ = ["hrnet_w32_ae.py"]

model = dict(
    backbone=dict(
        width=48,
        init_cfg=dict(checkpoint="https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth"),
    )
)
