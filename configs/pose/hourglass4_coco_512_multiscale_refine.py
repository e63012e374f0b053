"""The published four stacked hourglasses on COCO, at the nine scales of the authors' demo, people refined.

    python tools/test.py configs/pose/hourglass4_coco_512_multiscale_refine.py CHECKPOINT

Expected: AP .655 on COCO test-dev (Newell et al. 2017, table 2). Not reproduced by aemm yet. The demo scales
max(512, longer side) where this recipe scales 512.
"""

_base_ = ["./hourglass4_coco_512_refine.py"]

_base_.resize.scales = (2, 1.8, 1.5, 1.3, 1.2, 1, 0.7, 0.5, 0.25)
test_dataloader = dict(batch_size=1, dataset=dict(pipeline=[dict(type="KeepOriginal"), {{_base_.resize}}]))
