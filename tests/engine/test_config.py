"""What remains of a config is what something reads; overrides and test views reach it, or are refused."""

import pytest

from aemm.engine import ConfigError, load_config, set_views
from aemm.engine.config_check import READ_KEYS
from tests.end_to_end import ROOT

RECIPES = sorted(path for path in (ROOT / "configs").rglob("*.py") if "_base_" not in path.parts)
NEWELL = ROOT / "configs/pose/hourglass4_coco_512.py"
TINY = ROOT / "configs/synthetic/pose_hourglass_tiny_128.py"
MASKS = ROOT / "configs/instance/hourglass4_voc_256.py"


def own(folder, lines, base=TINY):
    path = folder / "own.py"
    path.write_text(f'_base_ = ["{base}"]\n{lines}\n')
    return str(path)


def faults(path, options=None):
    with pytest.raises(ConfigError) as caught:
        load_config(str(path), options)
    return str(caught.value)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_key_that_remains_of_a_recipe_is_read(path):
    assert set(load_config(str(path))) <= set(READ_KEYS)


@pytest.mark.parametrize(
    ("recipe", "option", "place"),
    [
        (NEWELL, "decoder.threshold", "model.decoder.threshold"),
        (NEWELL, "tta.flip", "model.tta.flip"),
        (NEWELL, "train_pipeline.0.size", "train_dataloader.dataset.pipeline.0.size"),
        (NEWELL, "test_pipeline.0.size", "val_dataloader.dataset.pipeline.0.size and test_dataloader.dataset.pipel"),
        (TINY, "people.height", "train_dataloader.dataset.height and val_dataloader.dataset.height"),
        (ROOT / "configs/pose/refine_hourglass_tiny_coco_mini.py", "single_person.head.weight", "model.head.weight"),
        (ROOT / "configs/pose/hourglass4_mpii_512_refine.py", "refiner.sizes", "model.postprocessors.0.sizes"),
    ],
)
def test_an_override_of_a_spliced_block_is_refused_with_the_place_that_is_read(recipe, option, place):
    first = option.partition(".")[0]
    assert f"nothing reads {first!r}, a variable of the config; what it held is read at {place}" in faults(
        recipe, {option: 1}
    )


def test_the_place_is_found_though_a_config_of_ones_own_changed_it(tmp_path):
    path = own(tmp_path, "model = dict(decoder=dict(threshold=0.3))", NEWELL)
    assert "is read at model.decoder.threshold" in faults(path, {"decoder.threshold": 0.9})


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "modle.backbone.stacks",
            "--cfg-options modle.backbone.stacks: the config has no 'modle', did you mean 'model'",
        ),
        ("xyzzy", "--cfg-options xyzzy: the config has no 'xyzzy'\n"),
        ("model.decoder.thresold", "model.decoder: PoseDecoder has no argument 'thresold'; did you mean 'threshold'"),
        ("model.decodr.threshold", "model: Embedder has no argument 'decodr'; did you mean 'decoder'"),
        ("train_dataloader.dataset.lenght", "SyntheticPoseDataset has no argument 'lenght'; did you mean 'length'"),
        ("default_hooks.checkpoint.intervall", "CheckpointHook has no argument 'intervall'; did you mean 'interval'"),
        ("param_scheduler.gamma", "param_scheduler is a list of 2; name one by its number"),
        ("param_scheduler.2.gamma", "param_scheduler is a list of 2; name one by its number"),
        ("model.decoder.threshold.low", "model.decoder.threshold is 0.2, which has no 'low'"),
        ("load_from.path", "load_from is None, which has no 'path'"),
        ("env_cfg", "env_cfg: must be a dict, got 1"),
        ("data_root", "--cfg-options data_root: no data set of this config reads it"),
    ],
)
def test_an_override_that_nothing_reads_is_refused_with_the_nearest(option, message):
    assert message in faults(TINY, {option: 1}) + "\n"


def test_all_overrides_are_judged_together():
    message = faults(TINY, {"modle.x": 1, "decoder.threshold": 1, "model.decoder.thresold": 1})
    assert "3 faults" in message


def test_a_dict_does_not_silently_take_the_place_of_a_list():
    assert "into which no dict can be merged" in faults(TINY, {"param_scheduler": dict(type="StepLR", step_size=1)})
    new = dict(_delete_=True, type="StepLR", step_size=1)
    assert load_config(str(TINY), {"param_scheduler": new}).param_scheduler.type == "StepLR"


@pytest.mark.parametrize("option", ["visualizer.type", "runner_type", "experiment_name", "work_dir", "_note"])
def test_an_override_of_a_key_that_is_read_passes_though_the_config_lacks_it(option):
    value = {"visualizer.type": "Visualizer", "runner_type": "Runner"}.get(option, "own")
    assert value in str(load_config(str(TINY), {option: value}).to_dict())


def test_an_import_by_override_is_done():
    assert "custom_imports: there is no module 'absent_w'" in faults(TINY, {"custom_imports.imports": "absent_w"})


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("trian_cfg = dict(max_epochs=3)", "trian_cfg: nothing reads this key; did you mean 'train_cfg'?"),
        ("train_pipeline = []", "train_pipeline: nothing reads this key"),
        ("batch = 3", "batch: nothing reads this key"),
        ("optimizer = dict(type='Adam')", "optimizer: nothing reads this key"),
        ("_base_.decoder.threshold = 0.3", "_base_.decoder: "),
    ],
)
def test_a_key_of_ones_own_that_nothing_reads_is_refused(lines, message, tmp_path):
    assert message in faults(own(tmp_path, lines))


@pytest.mark.parametrize(
    "lines",
    [
        "side = 64\ntrain_dataloader = dict(dataset=dict(image_size=side))",
        "more = dict(length=20)\ntrain_dataloader = dict(dataset=dict(**more))",
        "model = dict(decoder={{_base_.decoder}})",
        "_base_.decoder.threshold = 0.3\nmodel = dict(decoder={{_base_.decoder}})",
        "train_dataloader = dict(dataset=dict(pipeline=[*_base_.train_pipeline]))",
        "for epochs in (3, 6):\n    train_cfg = dict(max_epochs=epochs)",
        "import math\nfrom os import path\ntrain_cfg = dict(max_epochs=math.ceil(2.5))",
        "def twice(n):\n    return 2 * n\n\n\ntrain_cfg = dict(max_epochs=twice(3))",
        "_mine = dict(a=1)",
    ],
)
def test_variables_that_the_file_itself_reads_and_notes_are_no_faults(lines, tmp_path):
    cfg = load_config(own(tmp_path, lines))
    assert set(cfg) <= {*READ_KEYS, "_mine"}


def test_blocks_on_offer_in_a_base_need_no_reader_but_a_slip_in_it_is_found(tmp_path):
    base = tmp_path / "base.py"
    base.write_text(f'_base_ = ["{TINY}"]\noffered = dict(a=1)\n')
    assert "offered" not in load_config(own(tmp_path, "", base))
    base.write_text(f'_base_ = ["{TINY}"]\ncustom_hook = []\n')
    assert "custom_hook: nothing reads this key; did you mean 'custom_hooks'?" in faults(own(tmp_path, "", base))


def test_a_written_config_loads_again_as_it_was(tmp_path):
    for recipe in (NEWELL, TINY, MASKS, ROOT / "configs/pose/hourglass_tiny_coco_mini_refine.py"):
        cfg = load_config(str(recipe), {"model.decoder.threshold": 0.3})
        cfg.dump(str(tmp_path / "written.py"))
        assert load_config(str(tmp_path / "written.py")).to_dict() == cfg.to_dict()


def test_copies_in_a_config_that_was_written_with_them_are_dropped(tmp_path):
    cfg = load_config(str(NEWELL))
    cfg.decoder, cfg.resize = cfg.model.decoder, cfg.test_dataloader.dataset.pipeline[0]
    cfg.dump(str(tmp_path / "written.py"))
    assert "decoder" not in load_config(str(tmp_path / "written.py"))


def test_a_config_with_imported_bases_loads(tmp_path):
    (tmp_path / "base.py").write_text(
        "from aemm.datasets import SyntheticPoseDataset\n\nmodel = None\nside = 64\n"
        "train_dataloader = dict(dataset=dict(type=SyntheticPoseDataset, image_size=side, length=3))\n"
    )
    (tmp_path / "own.py").write_text(
        "from mmengine.config import read_base\n\nwith read_base():\n    from .base import *\n\n"
        "train_dataloader.update(dataset=dict(type=SyntheticPoseDataset, lenght=5))\n"
        "from aemm.datasets import SyntheticPoseDataset\n"
    )
    assert "train_dataloader.dataset: SyntheticPoseDataset has no argument 'lenght'" in faults(tmp_path / "own.py")


def roots(cfg):
    return {cfg[key].dataset.data_root for key in ("train_dataloader", "val_dataloader", "test_dataloader")}


def test_one_data_root_reaches_every_data_set(tmp_path):
    assert roots(load_config(str(NEWELL), {"data_root": "elsewhere/"})) == {"elsewhere/"}
    assert roots(load_config(own(tmp_path, 'data_root = "mine/"', NEWELL))) == {"mine/"}
    path = own(tmp_path, 'data_root = "mine/"\ntrain_dataloader = dict(dataset=dict(data_root=data_root))', NEWELL)
    assert roots(load_config(path)) == {"mine/", "data/coco/"}
    cfg = load_config(path, {"data_root": "other/"})
    assert roots(cfg) == {"other/", "data/coco/"}, "only what had the config's own root moves"


def test_a_data_root_over_several_is_refused(tmp_path):
    base = tmp_path / "base.py"
    base.write_text(f'_base_ = ["{NEWELL}"]\ntrain_dataloader = dict(dataset=dict(data_root="a/"))\n')
    assert "data_root: the data sets have several, a/, data/coco/" in faults(own(tmp_path, 'data_root = "b/"', base))


def pipeline(cfg, key="test_dataloader"):
    return cfg[key].dataset.pipeline


def test_scales_reach_the_pipelines_of_test_and_validation_but_not_of_training():
    cfg = load_config(str(NEWELL))
    before = cfg.train_dataloader.to_dict()
    set_views(cfg, [2, 1, 0.5], None)
    assert pipeline(cfg)[0]["scales"] == pipeline(cfg, "val_dataloader")[0]["scales"] == (2, 1, 0.5)
    assert cfg.model.tta.flip is True
    assert cfg.train_dataloader.to_dict() == before


def test_scales_pass_by_steps_that_make_no_views():
    cfg = load_config(str(ROOT / "configs/pose/hourglass4_coco_512_refine.py"))
    set_views(cfg, (1, 0.5), False)
    keep, resize = pipeline(cfg)
    assert keep == dict(type="KeepOriginal")
    assert resize["scales"] == (1, 0.5)
    assert cfg.model.tta.flip is False


def test_nothing_asked_for_changes_nothing():
    cfg = load_config(str(NEWELL))
    before = cfg.to_dict()
    set_views(cfg, None, None)
    assert cfg.to_dict() == before


@pytest.mark.parametrize("scales", [[], [0], [-1, 1], [1, 1.0], [float("nan")], [float("inf")], ["1"]])
def test_scales_that_are_none_are_refused(scales):
    with pytest.raises(ConfigError, match="scales must be one or more different positive numbers, got"):
        set_views(load_config(str(NEWELL)), scales, None)


def test_scales_without_a_step_that_makes_views_are_refused():
    with pytest.raises(ConfigError, match=r"no step of test_dataloader.dataset.pipeline makes views.*ResizeToFit"):
        set_views(load_config(str(TINY), {"test_dataloader.dataset.pipeline": []}), (1, 2), None)


def test_a_flip_without_test_time_augmentation_is_refused_and_no_flip_is_fulfilled():
    cfg = load_config(str(TINY))
    with pytest.raises(ConfigError, match="the model has no test-time augmentation"):
        set_views(cfg, None, True)
    set_views(cfg, None, False)
    assert cfg.model.get("tta") is None


def test_an_augmentation_that_cannot_flip_is_named():
    cfg = load_config(str(NEWELL))
    cfg.model.tta = dict(type="Preprocessor")
    with pytest.raises(ConfigError, match=r"model\.tta is a Preprocessor, which has no argument flip"):
        set_views(cfg, None, True)


def test_masks_flip_and_scale_by_arguments_too():
    cfg = load_config(str(MASKS))
    set_views(cfg, (0.5, 1, 1.5), True)
    assert cfg.model.tta == dict(type="TestTimeAugmentation", merge="instances", flip=True)
