"""Adam at 2e-4, dropped to 1e-5 after 100,000 iterations of 32 images.

85 epochs of the 56,599 images of COCO 2017 with keypoints are 150,000 iterations; the source names no end.
Source: Newell et al. 2017, section 4.1. The authors' code, for COCO, drops the rate after 200,000: adam_200k.py.
"""

_base_ = ["adam_200k.py"]

param_scheduler = [dict(type="MultiStepLR", milestones=[100000], gamma=0.05, by_epoch=False)]
train_cfg = dict(max_epochs=85)
