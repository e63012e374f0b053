"""Predictions that were saved give the figures that the test gave; files of other things are refused in words."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.config import Config

from aemm.cli import main
from aemm.engine import ConfigError, DumpHook, load_config
from aemm.engine.evaluate import build_metrics, evaluate_results, figures_of
from aemm.formats import AnnotationError
from aemm.formats.coco_found import FoundSet
from aemm.ops.masks import decode_masks, encode_masks
from aemm.records import DatasetInfo, Instances
from aemm.registry import DATASETS
from tests.annotations import person, person_file, write
from tests.pairs import batch_with

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "synthetic"
MASKS = ("CocoInstanceMetric", "VocInstanceMetric")


def _config(name, **options):
    return load_config(str(CONFIGS / f"{name}_hourglass_tiny_128.py"), options)


POSES = _config("pose", **{"test_dataloader.dataset.length": 6})


def _near(truth, rng):
    """Most of an image's instances, displaced, some twice or with absent keypoints, as a decoder gives them."""
    count = 0 if rng.random() < 0.2 else int(rng.integers(1, 4))
    own = len(truth.labels) if truth.masks else len(truth.keypoints)
    rows = rng.integers(0, own, count) if own else np.zeros(0, np.int64)
    scores = rng.random(len(rows)).astype(np.float32)
    if truth.keypoints is None:
        masks = np.roll(decode_masks(truth.masks, truth.image_size)[rows], int(rng.integers(0, 4)), 2)
        labels = truth.labels[rows]
        return Instances(truth.image_id, truth.image_size, scores, masks=encode_masks(masks), labels=labels)
    shape = (len(rows), truth.keypoints.shape[1])
    given = (rng.random(shape) * (rng.random(shape) < 0.8)).astype(np.float32)
    given[:, 0] = 0.5
    points = (truth.keypoints[rows] + rng.normal(0, 0.4, (*shape, 2))) * (given[..., None] > 0)
    points = points.astype(np.float32)
    return Instances(truth.image_id, truth.image_size, scores, keypoints=points, keypoint_scores=given)


def _tested(cfg, path):
    """The figures of a test with such predictions, which it dumps."""
    rng = np.random.default_rng(0)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    metrics, hook = build_metrics(cfg.test_evaluator, dataset.metainfo), DumpHook(str(path))
    loader = SimpleNamespace(dataset=dataset)
    runner = SimpleNamespace(test_dataloader=loader, work_dir=str(path.parent), logger=logging.getLogger("test"))
    hook.before_test(runner)
    for index in range(len(dataset)):
        truth = dataset[index].truth
        batch, found = batch_with([truth]), [_near(truth, rng)]
        for metric in metrics:
            metric.process(batch, found)
        hook.after_test_iter(runner, index, batch, found)
    hook.after_test(runner)
    return figures_of(metrics, len(dataset))


def _same(one, two):
    assert one.keys() == two.keys()
    assert max(one.values()) > 0.1
    np.testing.assert_array_equal(list(one.values()), list(two.values()))


@pytest.mark.parametrize(
    ("name", "ending", "options"),
    [
        ("pose", "json", {"test_evaluator": [dict(type="CocoMetric"), dict(type="CocoMetric", prefix="b")]}),
        ("pose", "json", {"test_evaluator": dict(type="Evaluator", metrics=[dict(type="CocoMetric")])}),
        ("instance", "json", {"test_evaluator": [dict(type=metric) for metric in MASKS]}),
        ("mpii", "mat", {}),
        ("mpii", "json", {}),
    ],
)
def test_saved_predictions_give_the_figures_of_the_test(name, ending, options, tmp_path):
    cfg = _config(name, **{"test_dataloader.dataset.length": 12})
    for key, value in options.items():
        cfg[key] = value
    figures = _tested(cfg, tmp_path / f"found.{ending}")
    _same(figures, evaluate_results(cfg, str(tmp_path / f"found.{ending}")))


@pytest.mark.parametrize(
    ("dataset", "metric"),
    [
        ("CocoPoseDataset", "CocoMetric"),
        ("CrowdPoseDataset", "CrowdPoseMetric"),
        ("CocoInstanceDataset", "CocoInstanceMetric"),
    ],
)
def test_files_are_scored_without_their_images(dataset, metric, tmp_path):
    if metric == "CrowdPoseMetric":
        pytest.importorskip("xthotcoco", reason="xthotcoco, an optional package, is not installed")
    data = person_file(12)
    for n, image in enumerate(data["images"]):
        image |= dict(id=f"image {n}", crowdIndex=0.08 * n)
        data["annotations"][n] = person(n + 1, f"image {n}")
    options = {} if dataset == "CocoInstanceDataset" else dict(skeleton="coco")
    write(tmp_path, data)
    node = dict(type=dataset, ann_file="people.json", img_dir="", data_root=str(tmp_path), test_mode=True, **options)
    cfg = Config(dict(test_dataloader=dict(dataset=node), test_evaluator=dict(type=metric)))
    figures = _tested(cfg, tmp_path / "found.json")
    for image in data["images"]:
        (tmp_path / image["file_name"]).write_bytes(b"no picture")
    _same(figures, evaluate_results(cfg, str(tmp_path / "found.json")))


@pytest.fixture(params=["CocoPoseDataset", "CocoInstanceDataset"])
def predicted(request, tmp_path):
    """A config of annotated images, what predict found in them, and the figures of a test that found the same."""
    data = person_file(6)
    for entry in data["images"]:
        entry["file_name"] = f"part {entry['id'] % 2}/{entry['id']}.png"
    data["categories"][0]["id"] = 7
    for row in data["annotations"]:
        row["category_id"] = 7
    write(tmp_path, data)
    node = dict(type=request.param, ann_file="people.json", img_dir=".", data_root=str(tmp_path), test_mode=True)
    metric = "CocoMetric" if request.param == "CocoPoseDataset" else "CocoInstanceMetric"
    cfg = Config(dict(test_dataloader=dict(dataset=node), test_evaluator=dict(type=metric)))
    dataset, rng = DATASETS.build(node), np.random.default_rng(0)
    skeleton = dataset.metainfo.skeleton
    found = FoundSet(DatasetInfo("predictions", skeleton, ("person",) if skeleton else ("class 0",), (1,)))
    for index in reversed(range(len(dataset))):
        truth = dataset.truth(index)
        path = tmp_path / data["images"][index]["file_name"]
        assert str(truth.image_id) == path.stem
        found.add(replace(_near(truth, rng), image_id=str(path)))
    rng = np.random.default_rng(0)
    metrics = build_metrics(cfg.test_evaluator, dataset.metainfo)
    for index in reversed(range(len(dataset))):
        for one in metrics:
            one.add(dataset.truth(index), _near(dataset.truth(index), rng))
    return cfg, found.to_dict(), figures_of(metrics, len(dataset))


def _evaluated(cfg, content, path):
    path.write_text(json.dumps(content))
    return evaluate_results(cfg, str(path))


def test_a_coco_file_of_predictions_gives_the_figures_of_the_test(predicted, tmp_path, monkeypatch):
    cfg, content, figures = predicted
    assert max(figures.values()) > 0.1
    assert _evaluated(cfg, content, tmp_path / "found.coco.json") == pytest.approx(figures, abs=1e-6)
    monkeypatch.chdir(tmp_path / "part 0")  # where predict ran with other paths
    for image in content["images"]:
        image["file_name"] = image["file_name"].replace(f"{tmp_path}/", "../elsewhere/./")
    assert _evaluated(cfg, content, tmp_path / "found.coco.json") == pytest.approx(figures, abs=1e-6)


def _first(key, **changes):
    def change(content):
        content[key][0] |= changes

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_first("images", file_name="/photos/other.png"), r"'/photos/other.png' is no image of the data set"),
        (_first("images", file_name=None), r"images\[0\]: expected id and file_name"),
        (_first("images", height="40"), r"images\[0\]: height and width must be whole numbers"),
        (_first("images", height=41), r"6\.png' is 50x41, but 50x40 in the data set"),
        (lambda content: content["images"].pop(), r"images: 1 of the data set's are not in it, such as part 1/1\.png"),
        (lambda content: content["images"].append(content["images"][0] | dict(id=9)), "predict each once"),
        (lambda content: content["categories"].append(dict(id=2)), "categories: expected 1, .* got 2"),
        (_first("annotations", image_id=99), r"annotations\[0\]: image_id 99 is not among the images"),
        (_first("annotations", score=None), r"results\[0\]: score must be a finite number, got None"),
        (_first("annotations", category_id=8), r"results\[0\]: category_id must be one of the data set's, 7, got 8"),
        (lambda content: content.update(annotations=[1]), r"annotations: every entry must be an object"),
    ],
)
def test_a_coco_file_of_other_images_is_refused(predicted, tmp_path, change, message):
    cfg, content, _ = predicted
    change(content)
    with pytest.raises(AnnotationError, match=message):
        _evaluated(cfg, content, tmp_path / "found.coco.json")


def test_a_coco_file_needs_a_data_set_of_files(tmp_path):
    content = dict(images=[], annotations=[], categories=[dict(id=1)])
    with pytest.raises(AnnotationError, match=r"the data set has no annotation file; aemm test --dump"):
        _evaluated(POSES, content, tmp_path / "found.coco.json")


def _row(**changes):
    return dict(image_id=0, category_id=1, keypoints=[1.0] * 51, score=0.5) | changes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"images": [], "annotations": []},
            "expected a json list of results, got an object that holds images, annotations",
        ),
        ("text", "expected a json list of results, got a str"),
        ([1, {}], r"every result must be an object, but results\[0\] are not"),
        ([_row(), _row(image_id=99)], r"results\[1\]: image_id 99 is not among the 6 images of the data set"),
        ([_row(image_id="0")], r"image_id '0' is not among .* which have 0; write both as numbers"),
        ([dict(score=1)], "image_id is missing"),
        ([_row(category_id=7)], r"results\[0\]: category_id must be one of the data set's, 1, got 7"),
        ([_row(score=None)], "score must be a finite number, got None"),
        ([_row(score=float("nan"))], "score must be a finite number, got nan"),
        ([_row(keypoints=[1.0] * 42)], "the 17 keypoints of skeleton 'coco', 51 numbers, got 42"),
        ([_row(keypoints="1")], "keypoints must be a list of finite numbers, got '1'"),
        ([_row(keypoints=[float("inf")] * 51)], "keypoints must be a list of finite numbers"),
    ],
)
def test_other_files_are_refused_in_words(content, message, tmp_path):
    path = tmp_path / "found.json"
    path.write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match=message) as caught:
        evaluate_results(POSES, str(path))
    assert str(path) in str(caught.value)


def test_lines_of_json_are_told_what_is_evaluated(tmp_path):
    (tmp_path / "found.jsonl").write_text("{}\n{}\n")
    with pytest.raises(AnnotationError, match=r"not valid json: .*; aemm test --dump NAME\.json and aemm predict"):
        evaluate_results(POSES, str(tmp_path / "found.jsonl"))


def test_masks_that_do_not_fit_are_refused(tmp_path):
    cfg = _config("instance", **{"test_dataloader.dataset.length": 2})
    row = dict(image_id=0, category_id=1, score=0.5)
    for segmentation, message in (
        (None, "segmentation is missing"),
        (dict(size=[4, 4], counts=[16]), r"the run lengths are of size \[4, 4\], but the image's"),
        (dict(size=[128, 128], counts=[7]), "the run lengths add up to 7"),
    ):
        (tmp_path / "found.json").write_text(json.dumps([row | dict(segmentation=segmentation)]))
        with pytest.raises(AnnotationError, match=message):
            evaluate_results(cfg, str(tmp_path / "found.json"))


def test_a_submission_of_another_set_is_refused(tmp_path):
    cfg = _config("mpii", **{"test_dataloader.dataset.length": 3})
    _tested(cfg, tmp_path / "found.mat")
    cfg.test_dataloader.dataset.length = 12
    with pytest.raises(ValueError, match=r"found\.mat holds predictions for \d+ groups, but the data set has \d+"):
        evaluate_results(cfg, str(tmp_path / "found.mat"))
    (tmp_path / "found.mat").write_bytes(b"no matlab")
    with pytest.raises(ValueError, match=r"found\.mat cannot be read as a MATLAB file"):
        evaluate_results(cfg, str(tmp_path / "found.mat"))


def test_metrics_and_data_sets_that_need_a_model_are_named(tmp_path):
    cfg = POSES.copy()
    cfg.test_evaluator = dict(type="mmengine.DumpResults", out_file_path=str(tmp_path / "a.pkl"))
    with pytest.raises(ConfigError, match="DumpResults may read what saved predictions do not hold"):
        evaluate_results(cfg, "found.json")
    cfg = POSES.copy()
    cfg.test_dataloader.dataset.test_mode = False
    with pytest.raises(ConfigError, match="needs test_mode=True"):
        evaluate_results(cfg, "found.json")


def test_the_command_prints_the_figures_and_says_what_is_wrong(tmp_path, capsys):
    config = str(CONFIGS / "pose_hourglass_tiny_128.py")
    (tmp_path / "found.json").write_text("[]")
    options = ["--cfg-options", "test_dataloader.dataset.length=4"]
    assert main(["evaluate", str(tmp_path / "found.json"), config, *options]) == 0
    assert "coco/AP: 0.0000" in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "none.json"), config]) == 1
    assert "none.json does not exist" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", config, str(tmp_path / "found.json")])
    assert ended.value.code == 2
