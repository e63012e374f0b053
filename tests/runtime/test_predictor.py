from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from aemm.export import Parity, for_open_model_zoo
from aemm.export.model import forget_maps
from aemm.export.parity import compare
from aemm.ops.peaks import read_peaks
from aemm.postprocess import SinglePersonRefiner
from aemm.runtime import DeployedModelError, Predictor, open_engine, read_description, with_rules
from aemm.runtime.refiner import Refiner
from tests.export.small_models import NetworkEngine, inferencer_of, pictures, single_person, small_config


def people_in_common(inferencer, engine) -> int:
    """How many people both find, once they find the same."""
    parity = Parity()
    for image in pictures():
        parity.add(inferencer.predict(image), Predictor("x", engine).predict(image))
    assert parity.same, parity.describe()
    return parity.people


PROTOCOLS = {
    "newell": dict(type="ResizeToFit", size=64, square=True, multiple_of=32, convention="newell"),
    "higherhrnet": dict(
        type="ResizeToFit",
        size=64,
        fit="short",
        multiple_of=32,
        sizes="smallest",
        center="whole",
        convention="index",
    ),
    "udp": dict(type="ResizeToFit", size=64, multiple_of=32, center="corner", convention="udp"),
    "unbiased": dict(type="ResizeToFit", size=64, multiple_of=32),
}


@pytest.mark.parametrize(
    ("protocol", "flip"), [("newell", True), ("higherhrnet", False), ("udp", False), ("unbiased", True)]
)
def test_people_are_those_of_the_inferencer_under_every_protocol(protocol, flip):
    cfg = small_config(tta=dict(type="TestTimeAugmentation", flip=flip))
    cfg.test_dataloader.dataset.pipeline = [PROTOCOLS[protocol]]
    decoder = dict(newell=dict(filled_border="authors", filled_score="one", distance="rms", padding="keep"))
    decoder["udp"] = dict(subpixel="hessian", filled_subpixel="quarter", padding="keep")
    decoder["higherhrnet"] = dict(subpixel="quarter", padding="keep")
    decoder["unbiased"] = dict(filled_cost="squared")
    cfg.model.decoder.update(decoder.get(protocol, {}))
    inferencer = inferencer_of(cfg)
    parity = compare(inferencer, Predictor("x", NetworkEngine(cfg, inferencer.model)), pictures())
    assert parity.same, parity.describe()
    assert parity.people > 10
    assert parity.maps < 1e-5


def test_instances_and_their_masks_are_those_of_the_inferencer():
    cfg = small_config("synthetic/instance_hourglass_tiny_128.py")
    inferencer = inferencer_of(cfg)
    predictor = Predictor("x", NetworkEngine(cfg, inferencer.model))
    parity = compare(inferencer, predictor, pictures())
    assert parity.same, parity.describe()
    assert parity.people > 0
    assert predictor.skeleton is None


def test_people_grouped_as_in_open_model_zoo_are_those_of_the_inferencer():
    cfg = small_config()
    for_open_model_zoo(cfg)
    cfg.model.decoder.pose_threshold = 1e-5
    inferencer = inferencer_of(cfg)
    engine = NetworkEngine(cfg, inferencer.model, "openvino")
    outputs = engine.run(np.full((1, 3, 64, 64), 200, np.uint8))
    assert list(outputs) == ["heatmaps", "embeddings"]
    assert outputs["embeddings"].shape == (1, 17, 16, 16, 2)
    assert (outputs["heatmaps"] < 0).any()
    assert people_in_common(inferencer, engine) > 3
    assert compare(inferencer, Predictor("x", engine), pictures()).maps < 1e-5


def test_without_maps_people_lie_in_cells():
    cfg = small_config()
    inferencer = inferencer_of(cfg)
    forget_maps(inferencer.model.decoder)
    assert people_in_common(inferencer, NetworkEngine(cfg, inferencer.model, maps=False)) > 10


def test_refined_people_are_those_of_the_refiner():
    torch.manual_seed(3)
    settings = dict(sizes=(64, 32), multiple_of=32, min_agreement=0.0, max_batch=2)
    refiner = SinglePersonRefiner(single_person(), device="cpu", **settings)
    cfg = small_config()
    inferencer = inferencer_of(cfg)
    runtime = Refiner(NetworkEngine(cfg, refiner.model), "x", settings)
    for image in pictures():
        found = inferencer.predict(image)
        expected, refined = refiner(found, image), runtime(found, image)
        assert np.abs(expected.keypoints - found.keypoints).max() > 1
        np.testing.assert_allclose(refined.keypoints, expected.keypoints, atol=1e-3)
        np.testing.assert_allclose(refined.keypoint_scores, expected.keypoint_scores, atol=1e-5)


@pytest.fixture(scope="module")
def engine():
    cfg = small_config()
    return NetworkEngine(cfg, inferencer_of(cfg).model)


def test_images_are_looked_at_in_batches_and_given_back_in_order(engine):
    images = [pictures()[i] for i in (0, 0, 0, 2, 1, 0)]
    seen = []
    run = engine.run
    engine.run = lambda lot: seen.append(len(lot)) or run(lot)
    found = list(Predictor("x", engine, batch_size=2)(images))
    engine.run = run
    assert seen == [2, 1, 2, 1]
    assert [one.image_id for one in found] == list(range(6))
    assert [one.image_size for one in found] == [image.shape[:2] for image in images]


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_rgb_image_is_refused(engine, image):
    with pytest.raises(ValueError, match=r"image 0 must be \(H, W, 3\) uint8 RGB, got"):
        Predictor("x", engine).predict(image)


@pytest.mark.parametrize("image", [None, "a.png", [[[0, 0, 0]]], b"image", 3])
def test_what_is_no_array_is_refused(engine, image):
    with pytest.raises(ValueError, match=r"image 0 must be an array \(H, W, 3\) uint8 RGB, got"):
        Predictor("x", engine).predict(image)


@pytest.mark.parametrize(("name", "value"), [("heatmaps", np.nan), ("tags", np.inf)])
def test_what_is_no_number_is_told_with_file_and_image(engine, monkeypatch, name, value):
    run = engine.run
    monkeypatch.setattr(engine, "run", lambda lot: run(lot) | {name: np.full_like(run(lot)[name], value)})
    with pytest.raises(
        DeployedModelError, match=rf"half\.onnx: {name} of image a\.png are not finite; .*precision fp32"
    ):
        Predictor("half.onnx", engine).predict(pictures()[0], "a.png")


def test_one_image_is_a_series_of_one(engine, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), pictures()[0][..., ::-1])
    predictor = Predictor("x", engine)
    for inputs in (pictures()[0], str(tmp_path / "a.png"), tmp_path / "a.png"):
        (found,) = predictor(inputs)
        np.testing.assert_array_equal(found.keypoints, predictor.predict(pictures()[0]).keypoints)


def test_a_graph_of_one_size_gets_one_image_at_a_time():
    cfg = small_config()
    for_open_model_zoo(cfg)
    engine = NetworkEngine(cfg, inferencer_of(cfg).model, "openvino")
    engine.input_size, run, seen = (64, 64), engine.run, []
    engine.run = lambda images: seen.append(images.shape) or run(images)
    assert len(list(Predictor("x", engine, batch_size=3)(pictures()))) == 3
    assert seen == [(1, 3, 64, 64)] * 3


@pytest.mark.parametrize("size", [0, 1.5, "4"])
def test_batches_are_whole_numbers(engine, size):
    with pytest.raises(ValueError, match="batch_size must be a whole number from 1"):
        Predictor("x", engine, batch_size=size)


@pytest.mark.parametrize("change", [dict(threshold=0.9), dict(max_peaks=1), dict(window=9)])
def test_changed_rules_hold_whether_images_are_padded_or_not(engine, change):
    """Peaks are those of the graph only as long as it was made by the same rules."""
    changed = with_rules(engine.description, **change)
    cfg = small_config()
    cfg.model.decoder.update(change)
    expected = Predictor("x", NetworkEngine(cfg, inferencer_of(cfg).model))
    for image in pictures():
        found = Predictor("x", engine, description=changed).predict(image)
        np.testing.assert_allclose(found.keypoints, expected.predict(image).keypoints, atol=1e-3)
        assert len(found) < len(Predictor("x", engine).predict(image))


def test_unknown_rules_are_named(engine):
    with pytest.raises(ValueError, match=r"rules of task 'pose' are .* got \['thresold'\]"):
        with_rules(engine.description, thresold=1)


def test_rules_that_need_maps_are_refused_where_there_are_none():
    cfg = small_config()
    inferencer = inferencer_of(cfg)
    forget_maps(inferencer.model.decoder)
    engine = NetworkEngine(cfg, inferencer.model, maps=False)
    for change in (dict(fill_missing=True), dict(subpixel="quarter"), dict(threshold=0.5)):
        with pytest.raises(DeployedModelError, match=r"x\.onnx: .* the maps are no outputs"):
            Predictor("x.onnx", engine, description=with_rules(engine.description, **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(fit={"a": 1}), r"it lacks \['size'\] and has unknown \['a'\]"),
        (dict(fit={"size": "big"}), "size must be int, got 'big'"),
        (dict(fit={"size": 0}), "size must be a positive multiple"),
        (dict(rules={}), "expected fields of GroupingRules by name, got None"),
        (dict(rules={"grouping": {"order": [0, 1]}}), "order must hold the 17 keypoints of the skeleton, got 2"),
        (dict(rules={"grouping": {"order": list(range(17))}, "threshold": None}), "threshold must be float, got None"),
        (dict(task="instance"), r"it lacks \['num_classes'\]"),
        (dict(contract="openvino"), r"asks for the outputs \['embeddings'\]"),
        (dict(refiner={}), "refiner.file of its description must name a file beside it, got None"),
        (dict(refiner={"file": "../x.onnx"}), "must name a file beside it, got '../x.onnx'"),
    ],
)
def test_rules_that_are_not_valid_are_named_when_the_file_is_opened(engine, change, message):
    with pytest.raises(DeployedModelError, match=rf"x\.onnx: .*{message}"):
        Predictor("x.onnx", engine, description=replace(engine.description, **change))


def test_a_graph_that_lacks_outputs_is_refused(engine):
    wrong = replace(engine.description, outputs=("scores", "offsets"))
    with pytest.raises(DeployedModelError, match=r"asks for the outputs \['offsets'\].*; do the files belong together"):
        Predictor("x.onnx", engine, description=wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-20], "its description is no json"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "expected a description of format 1"),
        (lambda text: text.replace('"stride"', '"strid"'), r"lacks \['stride'\] and has unknown \['strid'\]"),
        (lambda text: text.replace('"pose"', '"nose"'), "task must be one of"),
        (lambda text: "[]", "expected a description of format 1"),
        (lambda text: text.replace('"stride": 4.0', '"stride": "4"'), "stride must be float, got '4'"),
        (lambda text: text.replace('"stride": 4.0', '"stride": 0'), "stride and multiple_of must be positive"),
        (lambda text: text.replace('"flip": false', '"flip": "no"'), "flip must be bool, got 'no'"),
        (lambda text: text.replace('"mean": [', '"mean": ["a", '), "mean must be tuple"),
        (lambda text: text.replace('"sigmas"', '"sigma"'), r"unknown fields \['sigma'\]"),
    ],
)
def test_damaged_descriptions_are_named(engine, change, message):
    with pytest.raises(DeployedModelError, match=rf"here: .*{message}"):
        read_description(change(engine.description.to_json()), "here")


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(DeployedModelError, match=r"expected an .onnx or .xml file, got .pth"):
        Predictor(tmp_path / "a.pth")
    pytest.importorskip("onnxruntime", reason='pip install "aemm[export]"')
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        Predictor(tmp_path / "a.onnx")
    (tmp_path / "a.onnx").write_bytes(b"nothing")
    with pytest.raises(DeployedModelError, match="ONNX Runtime cannot read it"):
        Predictor(tmp_path / "a.onnx")


@pytest.mark.parametrize("runs", ["onnxruntime", "openvino"])
def test_both_engines_read_what_an_onnx_file_says_of_itself(engine, tmp_path, runs):
    onnx = pytest.importorskip("onnx", reason='pip install "aemm[export]"')
    pytest.importorskip(runs, reason='pip install "aemm[export,openvino]"')
    shape, kind = ["batch", 3, "height", "width"], onnx.TensorProto.UINT8
    given, made = (onnx.helper.make_tensor_value_info(name, kind, shape) for name in ("image", "scores"))
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["image"], ["scores"])], "none", [given], [made])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.helper.set_model_props(model, {"aemm": engine.description.to_json()})
    onnx.save(model, str(tmp_path / "pose.onnx"))
    opened = open_engine(tmp_path / "pose.onnx", runs)
    assert opened.description == engine.description
    assert opened.input_size is None


@pytest.mark.parametrize("runs", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({}, "got none"),
        ({"a": ("FLOAT", [1, 3, 8, 8]), "b": ("FLOAT", [1, 3, 8, 8])}, r"got a .*, b"),
        ({"a": ("DOUBLE", [1, 3, 8, 8])}, "got a"),
        ({"a": ("FLOAT", [1, 8, 8, 3])}, "got a"),
        ({"a": ("FLOAT", [1, 8])}, "got a"),
    ],
)
def test_graphs_that_take_something_else_than_images_are_refused(tmp_path, runs, inputs, told):
    onnx = pytest.importorskip("onnx", reason='pip install "aemm[export]"')
    pytest.importorskip(runs, reason='pip install "aemm[export,openvino]"')
    helper, kinds = onnx.helper, onnx.TensorProto
    given = [helper.make_tensor_value_info(name, getattr(kinds, kind), shape) for name, (kind, shape) in inputs.items()]
    nodes = [helper.make_node("Identity", [name], [f"{name} out"]) for name in inputs]
    made = [
        helper.make_tensor_value_info(f"{name} out", getattr(kinds, kind), of) for name, (kind, of) in inputs.items()
    ]
    if not inputs:
        nodes = [helper.make_node("Constant", [], ["x"], value=helper.make_tensor("x", kinds.FLOAT, [1], [1.0]))]
        made = [helper.make_tensor_value_info("x", kinds.FLOAT, [1])]
    graph = helper.make_graph(nodes, "none", given, made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, str(tmp_path / "a.onnx"))
    with pytest.raises(DeployedModelError, match=rf"a\.onnx: expected one input, images .* {told}"):
        open_engine(tmp_path / "a.onnx", runs)


def test_a_provider_may_be_named_alone(tmp_path):
    pytest.importorskip("onnxruntime", reason='pip install "aemm[export]"')
    with pytest.raises(FileNotFoundError):  # it is known, so that the file is looked for
        open_engine(tmp_path / "a.onnx", providers="CPUExecutionProvider")
    with pytest.raises(DeployedModelError, match=r"got \['GPU'\]"):
        open_engine(tmp_path / "a.onnx", providers="GPU")
    with pytest.raises(DeployedModelError, match=r"OpenVINO runs on one device, got \['CPU', 'GPU'\]"):
        open_engine(tmp_path / "a.xml", providers=["CPU", "GPU"])
    with pytest.raises(ValueError, match=r"threads must be a whole number from 1, got 2\.5"):
        open_engine(tmp_path / "a.onnx", threads=2.5)


def test_a_model_of_single_people_is_needed_to_refine(engine):
    with pytest.raises(DeployedModelError, match="expected a single-person network to refine with, got task 'pose'"):
        Refiner(engine, "x.onnx", {})


class Levelled(NetworkEngine):
    """One whose heat knows few values, so that peaks score the same; it ranks those from the end of the map."""

    def run(self, images):
        found = super().run(images)
        scores = np.round(found["scores"], 4)
        if "heatmaps" in found:
            found["heatmaps"] = np.round(found["heatmaps"], 4)
            rules = [self.description.rules[name] for name in ("max_peaks", "threshold", "window")]
            maps = zip(found["heatmaps"], found["tag_maps"], strict=True)
            parts = [np.stack(part) for part in zip(*(read_peaks(*own, *rules) for own in maps), strict=True)]
            scores, found["cells"], found["tags"] = parts
        order = np.lexsort((-found["cells"][..., 0], -found["cells"][..., 1], -scores))
        found["scores"] = np.take_along_axis(scores, order, 2)
        for name in ("cells", "tags"):
            found[name] = np.take_along_axis(found[name], order[..., None], 2)
        return found


class Ordered(Levelled):
    """The same, ranked from the beginning of the map."""

    def run(self, images):
        found = super().run(images)
        order = np.lexsort((found["cells"][..., 0], found["cells"][..., 1], -found["scores"]))
        for name in ("cells", "tags"):
            found[name] = np.take_along_axis(found[name], order[..., None], 2)
        return found


@pytest.mark.parametrize("maps", [True, False])
def test_people_do_not_depend_on_how_an_engine_ranks_equal_scores(maps):
    cfg = small_config()
    model = inferencer_of(cfg).model
    if not maps:
        forget_maps(model.decoder)
    engines = [kind(cfg, model, maps=maps) for kind in (Levelled, Ordered)]
    raw = [engine.run(np.full((1, 3, 64, 64), 90, np.uint8))["cells"] for engine in engines]
    assert (raw[0] != raw[1]).any()
    one, other = (list(Predictor("x", engine)(pictures())) for engine in engines)
    assert sum(map(len, one)) > 10
    for image, same in zip(one, other, strict=True):
        np.testing.assert_array_equal(image.keypoints, same.keypoints)
