"""HigherHRNet-W48 on COCO at 640 px, by its authors' schedule, tested at scales 0.5, 1 and 2.

    python tools/test.py configs/pose/higherhrnet_w48_coco_640_multiscale.py CHECKPOINT

Expected: AP .721 on COCO val2017 with flip (HigherHRNet's README). Not reproduced by aemm yet.
Training is that of higherhrnet_w48_coco_640.py.
"""

_base_ = ["./higherhrnet_w48_coco_640.py"]

_base_.resize.scales = (2, 1, 0.5)
test_dataloader = dict(dataset=dict(pipeline=[{{_base_.resize}}]))
