"""HRNet-W48 with associative embedding on COCO at 512 px, tested at scales 0.5, 1 and 2.

    python tools/test.py configs/pose/hrnet_w48_coco_512_multiscale.py CHECKPOINT

Expected: AP .712 on COCO val2017 with flip (open-mmlab/mmpose 0.29 model zoo). Not reproduced by aemm yet.
Training is that of hrnet_w48_coco_512.py.
"""

_base_ = ["./hrnet_w48_coco_512.py"]

_base_.resize.scales = (2, 1, 0.5)
test_dataloader = dict(dataset=dict(pipeline=[{{_base_.resize}}]))
