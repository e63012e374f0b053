"""The text of a config for data of one's own: whole, so that everything can be seen and changed in one file."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from typing import Any

NETWORKS = ("hourglass", "mobilenet_v2")
"""What ``aemm init`` offers: a small hourglass from nothing, and MobileNetV2 from ImageNet weights."""

_HEAD = '''"""{name}: {count} keypoints of {kind}, from {source}. Made by `aemm init`; change what you like.

    aemm browse {file}
    aemm train {file}
    aemm test {file} {best} --show-dir pictures
"""

default_scope = "aemm"
randomness = dict(seed=0)

# the data: paths are relative to the folder of this file
here = "{{{{ fileDirname }}}}"
skeleton = f"{{here}}/skeleton.json"
data = dict(
    type="CocoPoseDataset",
    img_dir=here + {images},
    skeleton=skeleton,
    category={category},
    area_per_box={area_per_box},
)
size = {size}
resize = dict(type="ResizeToFit", size=size, fit="long", square=True)
train_pipeline = [
    dict(type="RandomAffine", size=size, rotation=20, scale=(0.8, 1.25), translation=20, fit="long"),
{flip}    dict(type="ColorJitter", hue=0.0, saturation=(0.7, 1.3), brightness=0.1, contrast=(0.8, 1.2)),
    dict(type="PoseTargets", strides=(4,), sigma={sigma}, style="unbiased"),
]
loader = dict(num_workers={workers}, persistent_workers={persistent}, collate_fn=dict(type="aemm.collate"))
train_dataloader = dict(
    loader,
    batch_size={batch},
    drop_last=True,
    sampler=dict(type="SeededSampler", shuffle=True),
    dataset=dict(data, ann_file=f"{{here}}/train.json", pipeline=train_pipeline),
)
val_dataloader = dict(
    loader,
    batch_size=8,
    sampler=dict(type="SeededSampler", shuffle=False, round_up=False),
    dataset=dict(data, ann_file=f"{{here}}/val.json", pipeline=[resize], test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="CocoMetric")
test_evaluator = val_evaluator
'''
_HOURGLASS = """
# the network: how many maps it has follows from the skeleton
model = dict(
    type="Embedder",
    data_preprocessor=dict(type="Preprocessor", channels_last=True),
    backbone=dict(
        type="HourglassAE",
        stacks=1,
        width=48,
        growth=24,
        depth=3,
        stem=(24, 48, 48),
        pool=False,
        norm_cfg=dict(type="BN"),
        norm_between=True,
        tag_std=0.02,
    ),
    head=dict(
        type="AEHead",
        tag_dims=2,
        coordinate_scale={spread},
        project=False,
        heatmap_loss=dict(type="HeatmapMSELoss", weight={weight}),
        grouping_loss=dict(type="GroupingLoss", pull_weight=0.3, push_weight=0.6),
    ),
"""
_MOBILENET = """
# the network, from ImageNet weights: how many maps it has follows from the skeleton
weights = "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth"
model = dict(
    type="Embedder",
    data_preprocessor=dict(
        type="Preprocessor", mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375), channels_last=True
    ),
    backbone=dict(type="MobileNetV2", init_cfg=dict(type="Pretrained", checkpoint=weights)),
    head=dict(
        type="AEHead",
        tag_dims=2,
        coordinate_scale={spread},
        deconv_channels=(64, 64, 64),
        tag_std=0.02,
        heatmap_loss=dict(type="HeatmapMSELoss", weight={weight}),
        grouping_loss=dict(type="GroupingLoss", pull_weight=0.3, push_weight=0.6),
    ),
"""
_TAIL = """    decoder=dict(
        type="PoseDecoder",
        skeleton=skeleton,
        threshold=0.2,
        tag_threshold=1.5,
        distance="l2",
        assignment_tie="nearest",
        equal_tags="apart",
        max_matched=30,
        stop_when_full=False,
        fill_missing=True,
        filled_cost="squared",
        filled_score="heatmap",
        filled_border="map",
        subpixel="gaussian",
        tie="stay",
        padding="clear",
        max_instances=30,
    ),
)

# the schedule
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs={epochs}, val_interval={interval})
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", {rate}))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, begin=0, end=200, by_epoch=False),
    dict(type="CosineAnnealingLR", eta_min=0, by_epoch=True, convert_to_iter_based=True),
]
auto_scale_lr = dict(base_batch_size={batch})

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    checkpoint=dict(type="CheckpointHook", interval={interval}, max_keep_ckpts=2, save_best="coco/AP", rule="greater"),
    safe_checkpoint=dict(type="SafeCheckpointHook"),
    finite=dict(type="FiniteHook"),
    shared_statistics=dict(type="SharedStatisticsHook"),
    bad_samples=dict(type="BadSamplesHook"),
    tag_collapse=dict(type="TagCollapseHook"),
)
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=True)
"""


def config_text(plan: Any, settings: Mapping[str, Any]) -> str:
    """A config that trains as a plan says.

    Args:
        plan: an ``OwnData``'s :class:`aemm.engine.own_data.Plan`.
        settings: of the data.
    """
    flip = '    dict(type="RandomFlip"),\n' if plan.flip else ""
    name = settings["name"]
    said = dict(
        name=name,
        source=settings["source"],
        kind=settings["category"],
        file=shlex.quote(f"{name}.py"),
        best=shlex.quote(f"work_dirs/{name}/best_coco_AP_epoch_N.pth"),
    )
    filled = dict(
        settings,
        **{key: _literal(text)[1:-1] for key, text in said.items()},
        images=_literal(f"/{settings['images']}"),
        category=_literal(settings["category"]),
        size=plan.size,
        flip=flip,
        workers=plan.workers,
        persistent=plan.workers > 0,
        batch=plan.batch,
        spread=plan.spread,
        weight=plan.weight,
        epochs=plan.epochs,
        interval=max(1, plan.epochs // 10),
        rate=f"lr={_rate(plan.batch)}, betas=(0.9, 0.99), fused=True" if plan.network == "hourglass" else "lr=1e-3",
    )
    network = _HOURGLASS if plan.network == "hourglass" else _MOBILENET
    return _HEAD.format(**filled) + network.format(**filled) + _TAIL.format(**filled)


def _literal(text: str) -> str:
    """A text as Python has it between double quotes, whatever is in it."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _rate(batch: int) -> float:
    """Learning rate of the hourglass: 1.2e-2 for batches of 8, less by the root of their size for smaller ones."""
    return round(1.2e-2 * math.sqrt(batch / 8), 4)
