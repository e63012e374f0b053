from dataclasses import replace

import numpy as np
import pytest
import torch

from aemm.export import Parity, for_open_model_zoo
from aemm.export.model import forget_maps
from aemm.export.parity import compare
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


def test_rules_can_be_changed(engine):
    strict = with_rules(engine.description, threshold=0.9, fill_missing=False)
    assert len(Predictor("x", engine, description=strict).predict(pictures()[0])) >= 0
    with pytest.raises(ValueError, match=r"rules of task 'pose' are .* got \['thresold'\]"):
        with_rules(engine.description, thresold=1)


def test_a_graph_that_lacks_outputs_is_refused(engine):
    wrong = replace(engine.description, outputs=("scores", "offsets"))
    with pytest.raises(DeployedModelError, match=r"lacks \['offsets'\]; do the files belong together"):
        Predictor("x.onnx", engine, description=wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-20], "its description is no json"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "expected a description of format 1"),
        (lambda text: text.replace('"stride"', '"strid"'), r"lacks \['stride'\] and has unknown \['strid'\]"),
        (lambda text: text.replace('"pose"', '"nose"'), "task must be one of"),
        (lambda text: "[]", "expected a description of format 1"),
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


def test_a_model_of_single_people_is_needed_to_refine(engine):
    with pytest.raises(DeployedModelError, match="expected a single-person network to refine with, got task 'pose'"):
        Refiner(engine, "x.onnx", {})
