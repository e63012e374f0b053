import pytest
from mmengine.config import Config

from aemm.engine import ConfigError, check_config, load_config
from aemm.engine.config_check import config_faults


def test_a_sound_config_has_no_faults():
    cfg = load_config("configs/synthetic/pose_hourglass_tiny_128.py")
    assert config_faults(cfg.to_dict()) == []


def test_every_fault_is_listed_with_its_key():
    cfg = Config(
        dict(
            model=dict(
                type="Embedder",
                backbone=dict(type="HourglassAE", out_channels=4, stack=1),
                decoder=dict(type="PoseDekoder"),
            ),
            train_dataloader=dict(
                sampler=dict(type="SeededSampler", shufle=True),
                collate_fn=dict(type="aemm.colate"),
                dataset=dict(type="CocoPoseDataset", pipeline=[dict(type="RandomFlip"), dict(type="RandomAfine")]),
            ),
            val_evaluator=[dict(type="CocoMetric", backnd="hotcoco")],
            default_hooks=dict(x=dict(type="ShowHook", folder="x", limmit=1)),
            trian_cfg={},
        )
    )
    with pytest.raises(ConfigError) as caught:
        check_config(cfg)
    message = str(caught.value)
    for part in (
        "model.backbone: HourglassAE has no argument 'stack'; did you mean 'stacks'?",
        "model.decoder.type: type 'PoseDekoder' is not in the registry 'aemm::decoder'",
        "train_dataloader.sampler: SeededSampler has no argument 'shufle'; did you mean 'shuffle'?",
        "train_dataloader.collate_fn.type",
        "train_dataloader.dataset.pipeline[1].type: type 'RandomAfine'",
        "val_evaluator[0]: CocoMetric has no argument 'backnd'; did you mean 'backend'?",
        "default_hooks.x: ShowHook has no argument 'limmit'; did you mean 'limit'?",
        "trian_cfg: nothing reads this key; did you mean 'train_cfg'?",
        "8 faults",
    ):
        assert part in message


def test_variables_of_a_config_are_no_faults():
    assert config_faults(dict(data_root="data", my_pipeline=[], skeleton="coco")) == []
