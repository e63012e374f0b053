"""Networks of Open Model Zoo's form, whose files say nothing of themselves."""

from pathlib import Path

import numpy as np
import pytest

from aemm.ops.openvino import OpenVinoFit, OpenVinoRules, decode_openvino, openvino_order, top_cells
from aemm.runtime import DeployedModelError, Predictor
from tests.export.small_models import NetworkEngine, inferencer_of, small_config

SIZE = (64, 96)  # height and width of the input


class ZooEngine:
    """Maps of two people, as a network of the zoo gives them for whatever it sees; it keeps what it was shown."""

    def __init__(self, keypoints: int = 17, dims: int = 1, **changes) -> None:
        rng = np.random.default_rng(0)
        heat = -rng.uniform(0, 0.05, (1, keypoints, SIZE[0] // 2, SIZE[1] // 2)).astype(np.float32)
        tags = rng.normal(0, 0.01, (*heat.shape, dims)).astype(np.float32)
        for n, k in np.ndindex(2, keypoints):
            y, x = rng.integers(4, 28), rng.integers(4, 44)
            heat[0, k, y, x], tags[0, k, y, x] = 0.9 - 0.1 * n, 3 * n
        heat[0, :3] = -0.01  # to be filled, if anything is
        self.maps = {"heatmaps": heat, "embeddings": tags, **changes}
        self.outputs, self.input_size, self.description = list(self.maps), SIZE, None
        self.shown = []

    def run(self, images):
        self.shown.append(images)
        return self.maps


def test_people_of_a_foreign_network_are_those_of_the_zoos_decoder():
    engine = ZooEngine()
    predictor = Predictor("pose.xml", engine, contract="openvino")
    image = np.random.default_rng(1).integers(0, 256, (50, 60, 3), np.uint8)
    found = predictor.predict(image)
    heat, tags = engine.maps["heatmaps"][0], np.moveaxis(engine.maps["embeddings"][0], 3, 1)
    rules = OpenVinoRules(openvino_order(17), 0.1)
    people = decode_openvino(heat, tags, top_cells(heat, tags, 30), rules)
    shown, warp = OpenVinoFit(64, aspect=1.5).show(image, SIZE)
    np.testing.assert_array_equal(engine.shown[-1][0].transpose(1, 2, 0)[..., ::-1], shown)
    np.testing.assert_allclose(found.keypoints, people.points * 2 / warp.diagonal()[:2], atol=1e-3)
    assert len(found) == 2
    assert predictor.skeleton is not None
    assert predictor.skeleton.name == "coco"


def test_a_network_of_higherhrnets_form_sees_rgb_in_the_middle():
    engine = ZooEngine()
    engine.maps["nms_heatmaps"] = engine.maps["heatmaps"]
    engine.outputs = list(engine.maps)
    predictor = Predictor("pose.xml", engine, contract="openvino")
    image = np.full((SIZE[0], 20, 3), (200, 100, 50), np.uint8)
    predictor.predict(image)
    (shown,) = engine.shown[-1]
    np.testing.assert_array_equal(shown[:, 30, 48], (200, 100, 50))
    assert shown[:, :, :30].max() == 0
    assert predictor.description.rules["delta"] == 0.5


def test_tags_of_several_dimensions_and_other_keypoints_are_read():
    predictor = Predictor("pose.xml", ZooEngine(keypoints=5, dims=2), contract="openvino")
    assert predictor.skeleton is None
    assert predictor.predict(np.zeros((*SIZE, 3), np.uint8)).keypoints.shape == (2, 5, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(outputs=["maps", "embeddings"]), r"heatmaps and embeddings, but \['heatmaps'\] are not among \['maps'"),
        (dict(input_size=None), "the height and width of its input are open"),
        (
            dict(maps=ZooEngine(embeddings=np.zeros((1, 1, 4, 4), np.float32)).maps),
            r"got \(1, 17, 32, 48\) and \(1, 1,",
        ),
    ],
)
def test_what_is_no_network_of_the_zoo_is_named(change, message):
    engine = ZooEngine()
    for name, value in change.items():
        setattr(engine, name, value)
    with pytest.raises(DeployedModelError, match=rf"pose\.xml: .*{message}"):
        Predictor("pose.xml", engine, contract="openvino")


def test_a_contract_is_no_other_than_the_files_own():
    with pytest.raises(DeployedModelError, match=r"pose\.xml says nothing of its input, .* contract 'openvino'"):
        Predictor("pose.xml", ZooEngine())
    with pytest.raises(ValueError, match="contract must be one of 'aemm', 'openvino', got 'zoo'"):
        Predictor("pose.xml", ZooEngine(), contract="zoo")
    cfg = small_config()
    engine = NetworkEngine(cfg, inferencer_of(cfg).model)
    assert Predictor("x", engine, contract="aemm").description is engine.description
    with pytest.raises(DeployedModelError, match="its description says contract 'aemm', but 'openvino' was asked for"):
        Predictor("x", engine, contract="openvino")


@pytest.fixture(scope="module")
def fabricated(tmp_path_factory) -> Path:
    """An IR in the form of the zoo's, whose tensors have a second name."""
    openvino = pytest.importorskip("openvino", reason='pip install "aemm[openvino]"')
    ops = openvino.opset8
    image = ops.parameter([1, 3, *SIZE], np.float32, name="image")
    nothing = ops.multiply(ops.reduce_max(image, [0, 1, 2, 3]), np.float32(0))
    results = []
    for name, values in ZooEngine().maps.items():
        made = ops.add(ops.constant(values), nothing)
        made.output(0).get_tensor().set_names({name, f"a/{name}"})
        results.append(made)
    path = tmp_path_factory.mktemp("zoo") / "pose.xml"
    openvino.save_model(openvino.Model(results, [image], "pose"), str(path), compress_to_fp16=False)
    return path


def test_an_ir_of_the_zoos_form_is_read_by_its_names(fabricated):
    found = Predictor(fabricated, contract="openvino", threads=1).predict(np.zeros((*SIZE, 3), np.uint8))
    expected = Predictor("pose.xml", ZooEngine(), contract="openvino").predict(np.zeros((*SIZE, 3), np.uint8))
    assert len(found) == 2
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-3)
