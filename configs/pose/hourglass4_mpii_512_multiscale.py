"""The published four stacked hourglasses on MPII multi-person at 512 px, tested at scales 0.5, 1 and 2.

    python tools/test.py configs/pose/hourglass4_mpii_512_multiscale.py CHECKPOINT

No mAP is published for these scales by themselves. Training is that of hourglass4_mpii_512.py.
"""

_base_ = ["./hourglass4_mpii_512.py"]

_base_.resize.scales = (2, 1, 0.5)
test_dataloader = dict(dataset=dict(pipeline=[{{_base_.resize}}]))
