"""HigherHRNet-W48 on CrowdPose at 640 px, tested at scales 0.5, 1 and 2.

    python tools/test.py configs/pose/higherhrnet_w48_crowdpose_640_multiscale.py CHECKPOINT

Expected: AP .676 on CrowdPose test with flip (Cheng et al. 2020). Not reproduced by aemm yet.
Training is that of higherhrnet_w48_crowdpose_640.py.
"""

_base_ = ["./higherhrnet_w48_crowdpose_640.py"]

_base_.resize.scales = (2, 1, 0.5)
test_dataloader = dict(dataset=dict(pipeline=[{{_base_.resize}}]))
