"""Adam at 4e-3 with a short warm-up, falling to 0 along a cosine; how long is for the leaf to say."""

optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=4e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, begin=0, end=200, by_epoch=False),
    dict(type="CosineAnnealingLR", eta_min=0, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=6, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
