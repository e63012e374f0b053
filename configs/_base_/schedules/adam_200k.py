"""Adam at 2e-4, dropped to 1e-5 after 200,000 iterations of 32 images.

140 epochs of the 56,599 images of COCO 2017 with keypoints are 247,500 iterations; the source names no end.
Source: princeton-vl/pose-ae-train task/pose.py, which stops with an error where it is to drop the rate. The paper drops
it after 100,000, as adam_100k.py does.
"""

optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=2e-4))
param_scheduler = [dict(type="MultiStepLR", milestones=[200000], gamma=0.05, by_epoch=False)]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=140, val_interval=5)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
auto_scale_lr = dict(base_batch_size=32)
