"""What every recipe shares: scope, seed, hooks, logging."""

default_scope = "aemm"
randomness = dict(seed=0)

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    checkpoint=dict(type="CheckpointHook", interval=1, max_keep_ckpts=2, save_best="coco/AP", rule="greater"),
    safe_checkpoint=dict(type="SafeCheckpointHook"),
    finite=dict(type="FiniteHook"),
    shared_statistics=dict(type="SharedStatisticsHook"),
    bad_samples=dict(type="BadSamplesHook"),
    tag_collapse=dict(type="TagCollapseHook"),
)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl", timeout=1800),
)
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=True)
log_level = "INFO"
load_from = None
resume = False
