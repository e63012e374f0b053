"""Adam at 1e-3 without warm-up, a tenth of it from epoch 200, a hundredth from epoch 260.

Source: HRNet/HigherHRNet-Human-Pose-Estimation experiments. The rate belongs to 4 GPUs, of 10 images each for W48 at
640 px.
"""

optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-3))
param_scheduler = [dict(type="MultiStepLR", milestones=[200, 260], gamma=0.1, by_epoch=True)]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=300, val_interval=10)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
auto_scale_lr = dict(base_batch_size=40)
