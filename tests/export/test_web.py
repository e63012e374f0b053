"""People found by the page's JavaScript are those that Python finds."""

import json
import shutil
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from aemm.export import ExportError, ExportOptions, export_model, web
from aemm.export.web import check_for_web
from aemm.geometry import scaling
from aemm.ops.peaks import read_peaks
from aemm.ops.people import Place, PoseRules, decode_pose
from aemm.records import GroupingRules
from aemm.runtime import Predictor, with_rules
from tests.export.browser import chromium, look_at
from tests.export.small_models import NetworkEngine, inferencer_of, pictures, small_config
from tests.ops.test_people import _maps

SCRIPT = Path(__file__).resolve().parents[2] / "aemm/export/web/people.js"
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def decoded_by_node(folder: Path, heat, tags, rules: PoseRules) -> list[dict]:
    """People that the page's script finds in maps of stride 2."""
    maps = dict(zip("KTLhw", (len(heat), *tags.shape), strict=True))
    maps |= {"heat": heat.ravel().tolist(), "tags": tags.ravel().tolist()}
    place = {"width": 2 * heat.shape[2], "height": 2 * heat.shape[1], "zoom": 1, "left": 0, "top": 0}
    (folder / "given.json").write_text(json.dumps([maps, place, asdict(rules)]))
    behind = (
        "const given = JSON.parse(require('fs').readFileSync('given.json'));"
        "for (const name of ['heat', 'tags']) given[0][name] = new Float32Array(given[0][name]);"
        "console.log(JSON.stringify(decodePeople(...given)));"
    )
    (folder / "run.js").write_text(SCRIPT.read_text(encoding="utf-8") + behind)
    run = subprocess.run(["node", "run.js"], cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


@needs_node
@pytest.mark.parametrize(
    ("grouping", "rules"),
    [
        ({"tie": "nearest"}, {"subpixel": "gaussian", "filled_subpixel": "gaussian"}),
        (
            {"distance": "rms", "stop_when_full": True, "max_matched": 3},
            {"filled_score": "one", "filled_cost": "squared", "window": 3},
        ),
        ({}, {"fill_missing": False, "max_instances": 4, "subpixel": "none", "filled_subpixel": "none"}),
    ],
)
def test_the_pages_script_groups_and_fills_as_python_does(tmp_path, grouping, rules):
    heat, tags = _maps(1, dims=1)
    wanted = PoseRules(GroupingRules(tuple(range(5)), **grouping), **rules)
    peaks = read_peaks(heat, tags, wanted.max_peaks, wanted.threshold, wanted.window)
    expected = decode_pose(heat, tags, peaks, wanted, Place(0, (96, 128), scaling(2)))
    found = decoded_by_node(tmp_path, heat, tags, wanted)
    assert len(found) == len(expected) > 3
    keypoints = np.array([person["keypoints"] for person in found])
    np.testing.assert_allclose(keypoints[..., :2], expected.keypoints, atol=1e-3)
    np.testing.assert_allclose(keypoints[..., 2], expected.keypoint_scores, atol=1e-5)
    np.testing.assert_allclose([person["score"] for person in found], expected.scores, atol=1e-5)


def _like_people(seed: int):
    """Heat in quarters and tags in halves, so that many peaks and assignments are equal."""
    rng = np.random.default_rng(seed)
    points = rng.integers(0, (24, 16), (6, 5, 2))
    heat = np.zeros((5, 16, 24), np.float32)
    tags = np.round(rng.normal(0, 0.3, (5, 2, 16, 24)) * 2).astype(np.float32) / 2
    for n, k in np.ndindex(6, 5):
        x, y = points[n, k]
        heat[k, y, x] = rng.integers(1, 4) / 4
        tags[k, :, y, x] = 0.5 * n
    return heat, tags


@needs_node
@pytest.mark.parametrize("tie", ["solver", "nearest", "munkres"])
def test_the_pages_script_decides_among_equals_as_python_does(tmp_path, tie):
    rules = PoseRules(GroupingRules((2, 0, 1, 4, 3), tie=tie), window=3)
    for seed in range(6):
        heat, tags = _like_people(seed)
        peaks = read_peaks(heat, tags, rules.max_peaks, rules.threshold, rules.window)
        expected = decode_pose(heat, tags, peaks, rules, Place(0, (32, 48), scaling(2)))
        found = decoded_by_node(tmp_path, heat, tags, rules)
        keypoints = np.array([person["keypoints"] for person in found])
        np.testing.assert_allclose(keypoints[..., :2], expected.keypoints, atol=1e-3)


@pytest.mark.parametrize("change", [dict(task="instance"), dict(outputs=("scores", "cells", "tags"))])
def test_what_is_no_pose_with_maps_is_refused_with_a_way_on(change):
    cfg = small_config()
    description = NetworkEngine(cfg, inferencer_of(cfg).model).description
    with pytest.raises(
        ExportError, match=r"poses with their maps alone, got task .*; leave --no-maps and --contract out"
    ):
        check_for_web(replace(description, **change))


@needs_node
def test_the_page_shows_images_as_the_runtime_does(tmp_path):
    cfg = small_config()
    predictor = Predictor("x", NetworkEngine(cfg, inferencer_of(cfg).model))
    for image in pictures():
        shown = predictor._show(image, 0).pixels
        rgba = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
        (tmp_path / "given.json").write_text(json.dumps([rgba.ravel().tolist(), predictor.description.fit]))
        height, width = image.shape[:2]
        behind = (
            "const [pixels, fit] = JSON.parse(require('fs').readFileSync('given.json'));"
            f"const place = fitImage({width}, {height}, fit);"
            f"const planes = resample(pixels, {width}, {height}, place, 'continuous');"
            "console.log(JSON.stringify([place.height, place.width, Array.from(planes)]));"
        )
        (tmp_path / "run.js").write_text(SCRIPT.read_text(encoding="utf-8") + behind)
        run = subprocess.run(["node", "run.js"], cwd=tmp_path, capture_output=True, text=True, check=True)
        rows, columns, values = json.loads(run.stdout)
        assert (rows, columns) == shown.shape[:2]
        apart = np.array(values).reshape(3, rows, columns).transpose(1, 2, 0) - shown.astype(int)
        assert np.abs(apart).max() <= 1


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        (dict(equal_tags="overwrite"), "equal_tags='overwrite'"),
        (dict(subpixel="hessian"), "subpixel='hessian'"),
        (dict(filled_border="authors"), "filled_border='authors'"),
    ],
)
def test_what_the_page_cannot_decode_is_refused(decoder, message):
    cfg = small_config()
    cfg.model.decoder.update(decoder)
    with pytest.raises(ExportError, match=f"the page cannot decode .*{message}"):
        check_for_web(NetworkEngine(cfg, inferencer_of(cfg).model).description)


def test_a_page_leaves_other_exports_of_its_name_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(web, "_fetch_engine", lambda: (b"engine", b"wasm"))
    monkeypatch.setattr(web, "write_onnx", lambda graph, description, path: path.write_bytes(b"network"))
    monkeypatch.setattr(web, "halve_weights", lambda path: None)
    (tmp_path / "pose.onnx").write_bytes(b"another export")
    cfg = small_config()
    web.write_web(None, NetworkEngine(cfg, inferencer_of(cfg).model).description, tmp_path / "pose.html")
    assert (tmp_path / "pose.onnx").read_bytes() == b"another export"
    assert (tmp_path / "pose.html.onnx").read_bytes() == b"network"
    assert "bmV0d29yaw==" in (tmp_path / "pose.html").read_text()


@pytest.mark.slow
@pytest.mark.skipif(chromium() is None, reason="chromium is not installed")
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_browser_finds_the_same_people(tmp_path):
    pytest.importorskip("onnxscript", reason='pip install "aemm[export]"')
    cfg = small_config()
    page = tmp_path / "page.html"
    try:
        exported = export_model(cfg, inferencer_of(cfg).model, page, ExportOptions(format="web"))
    except ExportError as error:
        pytest.skip(str(error))
    images = [*pictures(), pictures()[0][:, ::-1], pictures()[1][::-1]]
    large = pictures()[2].repeat(12, 0).repeat(12, 1)
    clear = np.dstack([pictures()[0], np.where(np.arange(72) < 20, 0, 255) + np.zeros((28, 1), int)]).astype(np.uint8)
    on_white = np.where(clear[..., 3:] > 0, clear[..., :3], 255).astype(np.uint8)
    predictor = exported.predictor()
    rule = predictor.description.rules["grouping"]["tag_threshold"]
    thresholds = (0.1 * rule, rule, 1.9 * rule)
    answer = look_at(page, [large, clear, *images], tmp_path, thresholds)
    assert not answer["faults"]
    for image, people in zip([large, on_white, *images], answer["people"], strict=True):
        expected = predictor.predict(np.ascontiguousarray(image))
        assert len(people) == len(expected)
        found = np.array([person["keypoints"] for person in people]).reshape(-1, 17, 3)
        assert np.median(np.abs(found[..., :2] - expected.keypoints)) < 0.1
    assert answer["drawing"].shape == images[-1].shape
    assert answer["status"].startswith(f"{len(people)} people")
    counts = []
    for value, moved in zip(thresholds, answer["moved"], strict=True):
        grouping = {**predictor.description.rules["grouping"], "tag_threshold": value}
        description = with_rules(predictor.description, grouping=grouping)
        expected = Predictor(exported.path, predictor.engine, description=description).predict(images[-1])
        counts.append(len(expected))
        assert len(moved["people"]) == len(expected)
        assert moved["status"] == f"{len(expected)} people, tag threshold {value:.2f}"
    assert len(set(counts)) > 1
