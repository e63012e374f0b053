"""MobileNetV2 with associative embedding on COCO at 512 px, tested at scales 0.5, 1 and 2.

    python tools/test.py configs/pose/mobilenet_v2_coco_512_multiscale.py CHECKPOINT

Expected: AP .442 on COCO val2017 with flip (open-mmlab/mmpose 0.29 model zoo). Not reproduced by aemm yet.
Training is that of mobilenet_v2_coco_512.py.
"""

_base_ = ["./mobilenet_v2_coco_512.py"]

_base_.resize.scales = (2, 1, 0.5)
test_dataloader = dict(dataset=dict(pipeline=[{{_base_.resize}}]))
