"""The published four stacked hourglasses on COCO at 512 px, tested at scales 0.5, 1 and 2.

    python tools/test.py configs/pose/hourglass4_coco_512_multiscale.py CHECKPOINT

No AP is published for these scales without refinement on val2017; test-dev with nine scales and refinement: .655.
Training is that of hourglass4_coco_512.py.
"""

_base_ = ["./hourglass4_coco_512.py"]

_base_.resize.scales = (2, 1, 0.5)
test_dataloader = dict(dataset=dict(pipeline=[{{_base_.resize}}]))
