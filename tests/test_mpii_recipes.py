"""The recipes of MPII: what they set, training and testing by them, and two processes against one."""

import re

import pytest
import torch

from aemm.engine import load_config
from aemm.formats.mpii_mat import read_submission
from aemm.registry import MODELS, TRANSFORMS
from aemm.skeletons import SKELETONS
from tests.end_to_end import ROOT, check, run_tool

RECIPES = sorted((ROOT / "configs" / "pose").glob("hourglass*mpii*.py"))
RECIPES += sorted((ROOT / "configs" / "synthetic").glob("mpii*.py"))
LENGTH = 9

SMALL = f"""
_base_ = ["{ROOT}/configs/synthetic/mpii_hourglass_tiny_128.py"]
model = dict(backbone=dict(stacks=1, width=8, growth=4, depth=2, stem=(4, 8, 8)))
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(length=8, panel=64))
val_dataloader = dict(batch_size=3, num_workers=0, persistent_workers=False, dataset=dict(length={LENGTH}, panel=64))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1)
param_scheduler = [dict(type="MultiStepLR", milestones=[1], by_epoch=True)]
"""

SHAKY = f"""
custom_imports = dict(imports=["shaky"])
model["decoder"] = dict(_delete_=True, type="ShakyTruth", length={LENGTH})
"""
DECODER = '''
import numpy as np

from aemm.datasets import SyntheticMpiiDataset
from aemm.registry import DECODERS
from aemm.structures import Instances


@DECODERS.register_module()
class ShakyTruth:
    """The true people of a group, some keypoints far off, with scores that follow from the group alone."""

    flip_index = tuple(range(16))

    def __init__(self, length):
        truth = SyntheticMpiiDataset(length, panel=64, seed=1, test_mode=True).coco_annotations()
        self.people = {group["id"]: [] for group in truth["groups"]}
        for person in truth["annotations"]:
            self.people[person["group_ids"][0]].append(np.array(person["keypoints"]).reshape(16, 3))

    def __call__(self, maps, batch):
        return [self.shake(*image) for image in zip(batch.image_ids, batch.image_sizes)]

    def shake(self, key, size):
        rng, people = np.random.default_rng(key), np.array(self.people[key])
        moved = people[..., :2] + 15 * (rng.random(people.shape[:2]) < 0.3)[..., None]
        scores = np.where(people[..., 2] > 0, rng.uniform(0.2, 1, people.shape[:2]), 0)
        return Instances(key, size, scores.mean(1), keypoints=moved, keypoint_scores=scores)
'''


def metrics(output):
    line = next(line for line in reversed(output.splitlines()) if "Epoch(test)" in line)
    return dict(re.findall(r"(mpii/\w+): (-?[\d.]+|nan)", line))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_agree_on_the_keypoints_and_keep_the_best_by_map(path):
    cfg = load_config(str(path))
    count = len(SKELETONS["mpii"])
    assert cfg.model.decoder.skeleton == "mpii"
    assert cfg.model.head.num_heatmaps == count
    assert cfg.model.backbone.out_channels >= 2 * count
    assert cfg.default_hooks.checkpoint.save_best == "mpii/mAP"
    assert cfg.val_evaluator.type == cfg.test_evaluator.type == "MpiiMetric"
    assert cfg.test_dataloader.sampler.round_up is False


def test_the_published_recipes_test_on_crops_that_fit_the_network():
    for name in ("", "_finetune"):
        cfg = load_config(str(ROOT / f"configs/pose/hourglass4_mpii_512{name}.py"))
        assert cfg.test_dataloader.dataset.type == "MpiiGroupDataset"
        (resize,) = (TRANSFORMS.build(step) for step in cfg.test_dataloader.dataset.pipeline)
        assert (resize.rules.size, resize.rules.square, resize.scales) == (512, True, (1,))


def test_the_refinement_recipe_looks_at_the_whole_image_with_the_network_that_its_recipe_trains():
    cfg = load_config(str(ROOT / "configs/pose/hourglass4_mpii_512_refine.py"))
    (refiner,) = cfg.model.postprocessors
    trained = load_config(str(ROOT / "configs/pose/refine_hourglass4_mpii_512.py"))
    assert refiner.model == trained.model
    assert trained.model.decoder.skeleton == trained.train_dataloader.dataset.skeleton == "mpii"
    assert trained.model.head.num_heatmaps == trained.model.backbone.out_channels == len(SKELETONS["mpii"])
    assert cfg.test_dataloader.dataset.keep_original is True


def test_the_synthetic_recipe_mirrors_nothing():
    cfg = load_config(str(ROOT / "configs/synthetic/mpii_hourglass_tiny_128.py"))
    assert not any(step.type == "RandomFlip" for step in cfg.train_dataloader.dataset.pipeline)
    assert not cfg.model.get("tta")


def test_the_synthetic_recipe_trains_and_measures_map(tmp_path):
    (tmp_path / "small.py").write_text(SMALL)
    output = check(run_tool("tools/train.py", tmp_path / "small.py", "--work-dir", tmp_path / "run", "--seed", "3"))
    for word in ("loss_heatmap", "loss_pull", "loss_push", "mpii/mAP", "UBody", "Total"):
        assert word in output
    assert (tmp_path / "run" / "epoch_1.pth").is_file()


def test_two_processes_measure_the_map_of_one_and_write_its_submission(tmp_path):
    (tmp_path / "shaky.py").write_text(DECODER)
    (tmp_path / "small.py").write_text(SMALL + SHAKY)
    plain = tmp_path / "plain.py"
    plain.write_text(SMALL)
    model = MODELS.build(load_config(str(plain)).model)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "small.pth")
    common = (tmp_path / "small.py", tmp_path / "small.pth")
    paths, outputs, submissions = f"{tmp_path}:{ROOT}", [], []
    for tool, count in (("tools/test.py", ()), ("tools/dist_test.sh", ("2",))):
        dump = tmp_path / f"{len(outputs)}.mat"
        options = ("--work-dir", tmp_path / str(len(outputs)), "--dump", dump)
        outputs.append(check(run_tool(tool, *common, *count, *options, PORT="29617", PYTHONPATH=paths)))
        submissions.append(read_submission(dump))
    one, two = map(metrics, outputs)
    assert one == two
    assert 0.3 < float(one["mpii/mAP"]) < 0.95
    assert len(one) == 23
    assert len(submissions[0]) == len(submissions[1]) > LENGTH
    for first, second in zip(*submissions, strict=True):
        assert (first.keypoints == second.keypoints).all()
