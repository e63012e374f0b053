"""Adam at 1.5e-3 after a warm-up of 500 iterations, a tenth of it from epoch 200, a hundredth from epoch 260.

Source: open-mmlab/mmpose 0.29 configs/body/2d_kpt_sview_rgb_img/associative_embedding. The rate belongs to a batch of
192, 8 GPUs of 24 images; recipes of larger networks, published with smaller batches at the same rate, say so.
"""

optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1.5e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type="MultiStepLR", milestones=[200, 260], gamma=0.1, by_epoch=True),
]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=300, val_interval=10)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
auto_scale_lr = dict(base_batch_size=192)
