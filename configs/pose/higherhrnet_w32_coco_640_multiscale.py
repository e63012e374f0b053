"""HigherHRNet-W32 on COCO at 640 px, tested at scales 0.5, 1 and 2.

    python tools/test.py configs/pose/higherhrnet_w32_coco_640_multiscale.py CHECKPOINT

Expected: AP .706 on COCO val2017 with flip (open-mmlab/mmpose 0.29 model zoo). Not reproduced by aemm yet.
Training is that of higherhrnet_w32_coco_640.py.
"""

_base_ = ["./higherhrnet_w32_coco_640.py"]

_base_.resize.scales = (2, 1, 0.5)
test_dataloader = dict(dataset=dict(pipeline=[{{_base_.resize}}]))
