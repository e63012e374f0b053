"""Faults are found before training, all together; every form that mmengine documents passes."""

import pytest
import torch
from mmengine.config import Config

from aemm.engine import ConfigError, check_config, load_config
from aemm.engine.config_check import check_loader, config_faults
from tests.end_to_end import ROOT

RECIPE = ROOT / "configs/synthetic/pose_hourglass_tiny_128.py"
FORMS = {
    "a hook with a priority": "custom_hooks = [dict(type='EMAHook', priority='LOW')]",
    "a hook with a priority as a number": "custom_hooks = [dict(type='EmptyCacheHook', priority=49, after_iter=True)]",
    "a standard hook with a priority": "default_hooks = dict(logger=dict(interval=20, priority='BELOW_NORMAL'))",
    "a standard hook left out": "default_hooks = dict(timer=None, runtime_info=None)",
    "a further hook by name": "default_hooks = dict(buffers=dict(type='SyncBuffersHook'))",
    "no hooks of one's own": "custom_hooks = []",
    "an average of weights": "custom_hooks = [dict(type='EMAHook', momentum=1e-3, begin_epoch=2, update_buffers=True)]",
    "another average": "custom_hooks = [dict(type='EMAHook', ema_type='MomentumAnnealingEMA', gamma=100)]",
    "a profiler": "custom_hooks = [dict(type='ProfilerHook', on_trace_ready=dict(type='tb_trace', dir_name='trace'), "
    "schedule=dict(wait=1, warmup=1, active=2), by_epoch=False)]",
    "early stopping": "custom_hooks = [dict(type='EarlyStoppingHook', monitor='coco/AP', rule='greater')]",
    "several best checkpoints": "default_hooks = dict(checkpoint=dict(save_best=['coco/AP', 'coco/AR'], "
    "rule=['greater', 'greater'], published_keys=['meta', 'state_dict'], save_begin=2))",
    "the first metric is the best": "default_hooks = dict(checkpoint=dict(save_best='auto', out_dir='elsewhere', "
    "filename_tmpl='at_{}.pth', by_epoch=False, interval=100, save_optimizer=False, save_last=True))",
    "no best checkpoint": "default_hooks = dict(checkpoint=dict(save_best=None, rule=None))",
    "a logger's settings": "default_hooks = dict(logger=dict(ignore_last=False, interval_exp_name=500, "
    "log_metric_by_epoch=False, out_suffix=('.log',)))",
    "an evaluator with a list": "val_evaluator = dict(_delete_=True, type='Evaluator', "
    "metrics=[dict(type='CocoMetric')])",
    "an evaluator without a type": "val_evaluator = dict(_delete_=True, metrics=dict(type='CocoMetric'))",
    "a list of metrics": "val_evaluator = [dict(type='CocoMetric'), dict(type='DumpResults', out_file_path='a.pkl')]\n"
    "test_evaluator = val_evaluator",
    "a prefix of one's own": "val_evaluator = dict(prefix='val')\n"
    "default_hooks = dict(checkpoint=dict(save_best='val/AP'))",
    "loops by default": "val_cfg = dict(_delete_=True)\ntest_cfg = dict(_delete_=True)",
    "loops in half precision": "val_cfg = dict(fp16=True)\ntest_cfg = dict(type='TestLoop', fp16=True)",
    "epochs without a type": "train_cfg = dict(_delete_=True, by_epoch=True, max_epochs=3, val_begin=2, "
    "val_interval=2, dynamic_intervals=[(2, 1)])",
    "iterations without a type": "train_cfg = dict(_delete_=True, by_epoch=False, max_iters=3000, val_interval=100)",
    "iterations": "train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=3000)",
    "no validation": "val_dataloader = None\nval_cfg = None\nval_evaluator = None",
    "an optimizer wrapper by default": "optim_wrapper = dict(_delete_=True, optimizer=dict(type='SGD', lr=0.1, "
    "momentum=0.9, nesterov=True, weight_decay=1e-4))",
    "mixed precision": "optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic', dtype='bfloat16')",
    "gradients added up and cut off": "optim_wrapper = dict(accumulative_counts=4, "
    "clip_grad=dict(max_norm=35, norm_type=2))",
    "gradients cut off by value": "optim_wrapper = dict(clip_grad=dict(type='value', clip_value=0.2))",
    "settings by parameter": "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor', "
    "optimizer=dict(weight_decay=0.1), paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1, decay_mult=0.9)}, "
    "bias_lr_mult=2.0, norm_decay_mult=0.0, flat_decay_mult=0.0, bypass_duplicate=True))",
    "one schedule": "param_scheduler = dict(_delete_=True, type='StepLR', step_size=2, gamma=0.1, begin=1, end=5)",
    "no schedule": "param_scheduler = None",
    "schedules by epoch and iteration": "param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, "
    "begin=0, end=500), dict(type='CosineAnnealingLR', T_max=5, eta_min_ratio=0.1, begin=1, end=6, "
    "convert_to_iter_based=True), dict(type='ExponentialLR', gamma=0.9, verbose=True)]",
    "further schedules": "param_scheduler = [dict(type='ConstantLR', factor=0.5, end=2), "
    "dict(type='PolyLR', power=0.9, eta_min=1e-5), dict(type='OneCycleLR', eta_max=0.01, total_steps=6), "
    "dict(type='CosineRestartLR', periods=[3, 3], restart_weights=[1, 0.5], eta_min=0.0), "
    "dict(type='ReduceOnPlateauLR', monitor='coco/AP', rule='greater')]",
    "schedules of the momentum": "param_scheduler = [dict(type='MultiStepMomentum', milestones=[2], gamma=0.5)]\n"
    "optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=0.1, momentum=0.9))",
    "several optimizers": "custom_imports = dict(imports=['tests.engine.own_parts'])\n"
    "optim_wrapper = dict(_delete_=True, constructor='SeveralOptimizers', backbone=dict(type='OptimWrapper', "
    "optimizer=dict(type='Adam', lr=1e-3)), head=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)))\n"
    "param_scheduler = dict(_delete_=True, backbone=[dict(type='StepLR', step_size=2)], "
    "head=dict(type='StepLR', step_size=1))",
    "the environment": "env_cfg = dict(cudnn_benchmark=False, resource_limit=4096, "
    "mp_cfg=dict(mp_start_method='spawn', opencv_num_threads=1), dist_cfg=dict(backend='gloo', timeout=1800))",
    "randomness": "randomness = dict(seed=3, deterministic=True, diff_rank_seed=True)",
    "a log processor by default": "log_processor = dict(_delete_=True, window_size=20, by_epoch=True, custom_cfg=[dict("
    "data_src='loss', method_name='mean', window_size='global')], log_with_hierarchy=True, num_digits=3)",
    "logging": "log_level = 'DEBUG'\nexperiment_name = 'third'\nwork_dir = 'here'",
    "visualizers": "visualizer = dict(type='Visualizer', name='v', vis_backends=[dict(type='LocalVisBackend', "
    "save_dir='a', scalar_save_file='s.json'), dict(type='TensorboardVisBackend', name='t'), "
    "dict(type='WandbVisBackend', init_kwargs=dict(project='p'), watch_kwargs=dict(log_graph=True))])",
    "one visualizer": "visualizer = dict(type='Visualizer', vis_backends=dict(type='MLflowVisBackend', exp_name='e'))",
    "a wrapper by default": "model_wrapper_cfg = dict(find_unused_parameters=True, static_graph=False)",
    "a wrapper": "model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel', broadcast_buffers=True)",
    "a sharding wrapper": "model_wrapper_cfg = dict(type='MMFullyShardedDataParallel', cpu_offload=True, "
    "use_orig_params=False)",
    "over several GPUs": "find_unused_parameters = True\nsync_bn = 'torch'\nlauncher = 'pytorch'",
    "compilation": "compile = dict(backend='eager', mode='default')",
    "compilation by default": "compile = True",
    "memory": "activation_checkpointing = ['backbone.stages']\nefficient_conv_bn_eval = ['backbone']",
    "a runner of one's own": "runner_type = 'Runner'",
    "resuming": "resume = True\nload_from = 'work_dirs/a/epoch_3.pth'",
    "a scaled learning rate": "auto_scale_lr = dict(enable=True, base_batch_size=64)",
    "a preprocessor at the top": "data_preprocessor = dict(type='Preprocessor', channels_last=True)",
    "imports that may fail": "custom_imports = dict(imports='a_module_that_is_absent', allow_failed_imports=True)",
    "a loader's settings": "train_dataloader = dict(num_workers=2, pin_memory=True, prefetch_factor=4, timeout=60, "
    "persistent_workers=True, num_batch_per_epoch=10, disable_subprocess_warning=True, "
    "multiprocessing_context='spawn')",
    "another sampler": "train_dataloader = dict(sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True))",
    "another collate function": "train_dataloader = dict(collate_fn=dict(type='pseudo_collate'))\n"
    "val_dataloader = dict(sampler=dict(type='DefaultSampler'))",
    "a batch sampler": "custom_imports = dict(imports=['tests.engine.own_parts'])\n"
    "train_dataloader = dict(drop_last=False, batch_sampler=dict(type='PairSampler', shuffle=True))",
    "a repeated data set": "train_dataloader = dict(dataset=dict(_delete_=True, type='RepeatDataset', times=3, "
    "dataset=dict(type='SyntheticPoseDataset', length=8)))",
    "several data sets": "train_dataloader = dict(dataset=dict(_delete_=True, type='ConcatDataset', datasets=["
    "dict(type='SyntheticPoseDataset', length=8), dict(type='SyntheticPoseDataset', length=4, seed=2)]))",
    "weights drawn by layer": "model = dict(init_cfg=[dict(type='Kaiming', layer='Conv2d', nonlinearity='relu'), "
    "dict(type='Constant', val=1, layer=['BatchNorm2d'])])",
    "weights drawn by name": "model = dict(init_cfg=dict(type='Normal', std=0.01, bias_prob=0.01, layer='Conv2d', "
    "override=dict(type='Constant', name='head', val=0, bias=1)))",
    "weights of another network": "model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='a.pth', "
    "prefix='backbone.', map_location='cpu')))",
    "a normalisation": "model = dict(backbone=dict(norm_cfg=dict(type='SyncBN', requires_grad=True, eps=1e-3)))",
    "a part replaced": "model = dict(decoder=dict(_delete_=True, type='PoseDecoder', skeleton='coco'))",
    "a splice": "train_dataloader = dict(dataset=dict(pipeline={{_base_.train_pipeline}}))",
    "a variable": "people = dict(length=20)\nside = 64\n"
    "train_dataloader = dict(dataset=dict(image_size=side, **people))",
    "mmengine's own variables": "work_dir = '{{ fileDirname }}/runs/{{ fileBasenameNoExtension }}'",
    "a note": "_note = 'tried before with lr 1e-3'\n_more = dict(a=1)",
    "the name of a scope": "default_hooks = dict(logger=dict(type='mmengine.LoggerHook'))",
}
LATE = {
    "a best metric without its prefix": (
        "default_hooks.checkpoint.save_best='AP'",
        "default_hooks.checkpoint.save_best: no metric of val_evaluator is called 'AP'; did you mean 'coco/AP'?",
    ),
    "a best metric of another prefix": (
        "val_evaluator.prefix='val'",
        "default_hooks.checkpoint.save_best: no metric of val_evaluator is called 'coco/AP'; did you mean 'val/AP'?",
    ),
    "a metric to stop by": (
        "custom_hooks=[dict(type='EarlyStoppingHook', monitor='mpii/mAP')]",
        "custom_hooks[0].monitor: no metric of val_evaluator is called 'mpii/mAP'",
    ),
    "a best metric without a rule": ("default_hooks.checkpoint.rule=None", "default_hooks.checkpoint: Cannot infer"),
    "a hook's argument": (
        "default_hooks.checkpoint.max_keep_ckpt=3",
        "default_hooks.checkpoint: CheckpointHook has no argument 'max_keep_ckpt'; did you mean 'max_keep_ckpts'",
    ),
    "a hook's value": ("default_hooks.logger.interval=0", "default_hooks.logger: interval must be greater than 0"),
    "a hook's priority": (
        "default_hooks.logger.priority='LOWER'",
        "default_hooks.logger.priority: must be 0 to 100 or a name such as 'LOW', got 'LOWER'",
    ),
    "a hook's name": ("default_hooks.chekpoint.interval=3", "default_hooks.chekpoint: has no type"),
    "a hook that is none": ("default_hooks.tag_collapse=None", "default_hooks.tag_collapse: None takes away one of"),
    "an average's argument": (
        "custom_hooks=[dict(type='EMAHook', momentun=0.1)]",
        "custom_hooks[0]: ExponentialMovingAverage has no argument 'momentun'; did you mean 'momentum'",
    ),
    "an optimizer's argument": (
        "optim_wrapper.optimizer.weight_decy=0.1",
        "optim_wrapper.optimizer: Adam has no argument 'weight_decy'; did you mean 'weight_decay'",
    ),
    "an optimizer's value": ("optim_wrapper.optimizer.lr=-1", "optim_wrapper: Invalid learning rate: -1"),
    "an optimizer's type": ("optim_wrapper.optimizer.type='Adan'", "optim_wrapper.optimizer.type: type 'Adan' is not"),
    "a lacking optimizer": (
        "optim_wrapper=dict(_delete_=True, type='OptimWrapper')",
        "optim_wrapper: needs an optimizer, such as optimizer=dict(type='Adam', lr=2e-4)",
    ),
    "a wrapper's argument": (
        "optim_wrapper.accumulative_count=2",
        "optim_wrapper: OptimWrapper has no argument 'accumulative_count'; did you mean 'accumulative_counts'",
    ),
    "a cut-off": (
        "optim_wrapper.clip_grad=dict(max_nrom=1)",
        "optim_wrapper.clip_grad.max_nrom: nothing reads this key",
    ),
    "a setting by parameter": (
        "optim_wrapper.paramwise_cfg=dict(bias_lr_mul=2)",
        "optim_wrapper.paramwise_cfg.bias_lr_mul: nothing reads this key; did you mean 'bias_lr_mult'",
    ),
    "a decay without its base": (
        "optim_wrapper.paramwise_cfg=dict(norm_decay_mult=0.0)",
        "optim_wrapper: base_wd should not be None",
    ),
    "a schedule's argument": (
        "param_scheduler=[dict(type='MultiStepLR', milestone=[2])]",
        "param_scheduler[0]: MultiStepLR has no argument 'milestone'; did you mean 'milestones'",
    ),
    "a schedule's missing argument": (
        "param_scheduler=[dict(type='StepLR')]",
        "param_scheduler[0]: StepLR needs step_size",
    ),
    "a schedule's value": (
        "param_scheduler=[dict(type='LinearLR', begin=5, end=2)]",
        "param_scheduler[0]: end should be larger than begin",
    ),
    "an epoch's key": (
        "train_cfg.max_epoch=3",
        "train_cfg: EpochBasedTrainLoop has no argument 'max_epoch'; did you mean 'max_epochs'",
    ),
    "a lacking number of epochs": (
        "train_cfg=dict(_delete_=True, by_epoch=True)",
        "train_cfg: EpochBasedTrainLoop needs max_epochs",
    ),
    "a loop of two kinds": ("train_cfg.by_epoch=True", "train_cfg: needs either a type"),
    "a validation's key": ("val_cfg.fp61=True", "val_cfg: ValLoop has no argument 'fp61'; did you mean 'fp16'"),
    "a test's key": ("test_cfg.interval=3", "test_cfg: TestLoop has no argument 'interval'"),
    "a lacking loop": ("val_cfg=None", "val_dataloader and val_evaluator: of no use without val_cfg"),
    "a loader's key": (
        "train_dataloader.batch_sise=3",
        "train_dataloader.batch_sise: nothing reads this key; did you mean 'batch_size'",
    ),
    "a loader's order": ("train_dataloader.shuffle=True", "train_dataloader.shuffle: nothing reads this key"),
    "a lacking sampler": ("train_dataloader.sampler=None", "train_dataloader: needs a sampler"),
    "workers that stay": (
        "val_dataloader.persistent_workers=True",
        "val_dataloader.persistent_workers: True needs workers, but num_workers is 0; set "
        "val_dataloader.persistent_workers=False",
    ),
    "a collate function without its scope": (
        "train_dataloader.collate_fn.type='collate'",
        "train_dataloader.collate_fn.type: type 'collate' is not in the registry",
    ),
    "a data set's argument": (
        "train_dataloader.dataset.lenght=3",
        "train_dataloader.dataset: SyntheticPoseDataset has no argument 'lenght'; did you mean 'length'",
    ),
    "a data set within another": (
        "train_dataloader.dataset=dict(_delete_=True, type='RepeatDataset', times=2, "
        "dataset=dict(type='SyntheticPoseDatset'))",
        "train_dataloader.dataset.dataset.type: type 'SyntheticPoseDatset' is not in the registry",
    ),
    "a part's missing argument": (
        "model.decoder=dict(_delete_=True, type='PoseDecoder')",
        "model.decoder: PoseDecoder needs skeleton",
    ),
    "a part's value": ("model.decoder.threshold='high'", "model.decoder.threshold: must be a number, got 'high'"),
    "a part's choice": (
        "model.decoder.distance='l1'",
        "model.decoder.distance: must be one of 'rms', 'l2', got 'l1'",
    ),
    "a data set's value": (
        "train_dataloader.dataset.length=2.5",
        "train_dataloader.dataset.length: must be a whole number, got 2.5",
    ),
    "a list's value": (
        "model.backbone.stem=(16, 32, 'x')",
        "model.backbone.stem: must be a list, each a whole number, got (16, 32, 'x')",
    ),
    "a number of images": ("val_dataloader.batch_size=0", "val_dataloader.batch_size: must be a whole number from 1"),
    "a type that is none": ("model.decoder.type=3", "model.decoder.type: must be a name or a class, got 3"),
    "an empty type": ("default_hooks.timer.type=''", "default_hooks.timer.type: type '' is not in the registry"),
    "a part without a type": ("model.decoder=dict(_delete_=True, threshold=1)", "model.decoder: has no type"),
    "initial weights": (
        "model.head.init_cfg=dict(type='Normal', sdt=0.1)",
        "model.head.init_cfg: NormalInit has no argument 'sdt'; did you mean 'std'",
    ),
    "an evaluator's metric": (
        "val_evaluator=dict(type='Evaluator', metrics=[dict(type='CocoMetric', sigma=1)])",
        "val_evaluator.metrics[0]: CocoMetric has no argument 'sigma'; did you mean 'sigmas'",
    ),
    "the seed": ("randomness=dict(sed=1)", "randomness.sed: nothing reads this key; did you mean 'seed'"),
    "the environment": ("env_cfg.cudnn_benchmak=True", "env_cfg.cudnn_benchmak: nothing reads this key; did you mean"),
    "the start of processes": ("env_cfg.mp_cfg.start='fork'", "env_cfg.mp_cfg.start: nothing reads this key"),
    "the scale of the rate": ("auto_scale_lr=dict(enable=True)", "auto_scale_lr: needs base_batch_size"),
    "a log's setting": ("log_processor.window=3", "log_processor: LogProcessor has no argument 'window'"),
    "a drawing's place": (
        "visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackends')])",
        "visualizer.vis_backends[0].type: type 'LocalVisBackends' is not in the registry",
    ),
}


def write(folder, lines, base=RECIPE):
    path = folder / "own.py"
    path.write_text(f'_base_ = ["{base}"]\n{lines}\n')
    return str(path)


@pytest.mark.parametrize("form", FORMS)
def test_a_documented_form_passes(form, tmp_path):
    load_config(write(tmp_path, FORMS[form]))


@pytest.mark.parametrize("fault", LATE)
def test_what_would_fail_during_training_is_found_before(fault, tmp_path):
    change, message = LATE[fault]
    key, _, value = change.partition("=")
    with pytest.raises(ConfigError) as caught:
        load_config(str(RECIPE), {key: eval(value)})
    assert message in str(caught.value)
    assert "has 1 fault:" in str(caught.value), caught.value


def test_every_fault_is_listed_with_its_key():
    cfg = Config(
        dict(
            model=dict(
                type="Embedder",
                backbone=dict(type="HourglassAE", out_channels=4, stack=1, depht=2),
                head=dict(type="AEHead", num_heatmaps=2),
                decoder=dict(type="PoseDekoder"),
            ),
            train_dataloader=dict(
                sampler=dict(type="SeededSampler", shufle=True),
                collate_fn=dict(type="aemm.colate"),
                dataset=dict(
                    type="CocoPoseDataset",
                    ann_file="a.json",
                    img_dir="images",
                    pipeline=[dict(type="RandomFlip"), dict(type="RandomAfine")],
                ),
            ),
            default_hooks=dict(x=dict(type="ShowHook", folder="x", limmit=1)),
            trian_cfg={},
        )
    )
    with pytest.raises(ConfigError) as caught:
        check_config(cfg)
    message = str(caught.value)
    for part in (
        "model.backbone: HourglassAE has no argument 'stack'; did you mean 'stacks'?",
        "model.backbone: HourglassAE has no argument 'depht'; did you mean 'depth'?",
        "model.decoder.type: type 'PoseDekoder' is not in the registry 'aemm::decoder'",
        "train_dataloader.sampler: SeededSampler has no argument 'shufle'; did you mean 'shuffle'?",
        "train_dataloader.collate_fn.type",
        "train_dataloader.dataset.pipeline[1].type: type 'RandomAfine'",
        "default_hooks.x: ShowHook has no argument 'limmit'; did you mean 'limit'?",
        "trian_cfg: nothing reads this key; did you mean 'train_cfg'?",
        "train_dataloader: of no use without train_cfg and optim_wrapper",
        "9 faults",
    ):
        assert part in message


def test_what_a_class_of_ones_own_does_with_a_dict_is_not_judged(tmp_path):
    lines = "custom_imports = dict(imports=['tests.engine.own_parts'])\n"
    lines += "model = dict(head=dict(type='FreeHead', form=dict(type='round'), anything=1))"
    load_config(write(tmp_path, lines))


class Samples(list):
    pass


@pytest.mark.parametrize(
    ("count", "loader", "message"),
    [
        (0, dict(batch_size=2), r"the data set \(Samples\) holds no sample"),
        (
            3,
            dict(batch_size=4, drop_last=True),
            r"has 3 samples, which fill no batch of 4.* set batch_size to 3 at most",
        ),
    ],
)
def test_a_data_set_that_fills_no_batch_is_refused(count, loader, message):
    with pytest.raises(ConfigError, match=message):
        check_loader(Samples(range(count)), loader)


@pytest.mark.parametrize(
    "loader", [dict(batch_size=3, drop_last=True), dict(batch_size=4), dict(batch_size=9, batch_sampler={})]
)
def test_a_data_set_that_fills_a_batch_passes(loader):
    check_loader(Samples(range(3)), loader)


def test_a_data_set_is_shared_among_processes(monkeypatch):
    monkeypatch.setattr("aemm.engine.config_check.get_world_size", lambda: 2)
    check_loader(Samples(range(7)), dict(batch_size=4, drop_last=True))
    with pytest.raises(ConfigError, match="7 samples, 4 for each of 2 processes, which fill no batch of 5"):
        check_loader(Samples(range(7)), dict(batch_size=5, drop_last=True))


def test_checking_draws_no_random_number():
    cfg = load_config(str(RECIPE)).to_dict()
    before = torch.get_rng_state()
    assert config_faults(cfg) == []
    assert torch.equal(before, torch.get_rng_state())
