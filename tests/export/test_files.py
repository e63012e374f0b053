"""Files that are written and read again: minutes, so run by command."""

import json

import numpy as np
import pytest

from aemm.export import ExportError, ExportOptions, check_parity, export_model, for_open_model_zoo
from aemm.export.parity import compare
from aemm.export.quantize import quantize
from aemm.runtime import Predictor
from aemm.runtime.description import read_description
from tests.export.small_models import inferencer_of, pictures, single_person, small_config

pytestmark = pytest.mark.slow
onnxruntime = pytest.importorskip("onnxruntime", reason='pip install "aemm[export]"')
pytest.importorskip("onnxscript", reason='pip install "aemm[export]"')


@pytest.fixture(scope="module")
def pose(tmp_path_factory):
    """A small model that looks at mirror images, and its ONNX file."""
    cfg = small_config(tta=dict(type="TestTimeAugmentation", flip=True))
    inferencer = inferencer_of(cfg)
    path = tmp_path_factory.mktemp("export") / "pose.onnx"
    return cfg, inferencer, export_model(cfg, inferencer.model, path, ExportOptions())


def test_an_onnx_file_finds_the_same_people(pose):
    _, inferencer, exported = pose
    parity = check_parity(exported, inferencer, pictures())
    assert parity.same, parity.describe()
    assert parity.people > 10
    assert parity.maps < 1e-4


def test_an_onnx_file_finds_the_same_people_in_openvino(pose):
    pytest.importorskip("openvino", reason='pip install "aemm[openvino]"')
    _, inferencer, exported = pose
    parity = compare(inferencer, Predictor(exported.path, "openvino", threads=1), pictures())
    assert parity.same, parity.describe()


def test_an_onnx_file_describes_itself(pose):
    _, inferencer, exported = pose
    session = onnxruntime.InferenceSession(str(exported.path))
    text = session.get_modelmeta().custom_metadata_map["aemm"]
    description = read_description(text, "here")
    assert description == exported.description
    assert description.task == "pose"
    assert description.flip is True
    assert (description.multiple_of, description.stride) == (16, 4.0)
    assert description.fit["size"] == 64
    assert description.keypoint_set() == inferencer.skeleton
    assert description.rules["grouping"]["order"] == list(inferencer.skeleton.grouping_order)
    assert "opset 18" in description.exporter
    assert json.loads(text)["config_hash"] == description.config_hash
    assert session.get_inputs()[0].type == "tensor(uint8)"
    assert [output.name for output in session.get_outputs()] == ["scores", "cells", "tags", "heatmaps", "tag_maps"]


def test_images_of_one_size_go_through_a_file_together(pose):
    _, _, exported = pose
    images = [pictures()[i] for i in (0, 0, 2, 1, 1, 1)]
    one, many = Predictor(exported.path, threads=1), Predictor(exported.path, batch_size=4)
    for alone, together in zip(one(images), many(images), strict=True):
        assert alone.image_id == together.image_id
        np.testing.assert_allclose(together.keypoints, alone.keypoints, atol=1e-3)


@pytest.mark.parametrize("form", ["torch-export", "torchscript"])
def test_files_of_torch_find_the_same_people(tmp_path, form):
    cfg = small_config()
    inferencer = inferencer_of(cfg)
    path = tmp_path / {"torch-export": "pose.pt2", "torchscript": "pose.pt"}[form]
    exported = export_model(cfg, inferencer.model, path, ExportOptions(format=form))
    assert check_parity(exported, inferencer, pictures()).same
    assert read_description((tmp_path / f"{path.name}.json").read_text(), "beside").task == "pose"


def test_instances_are_exported_with_their_masks(tmp_path):
    cfg = small_config("synthetic/instance_hourglass_tiny_128.py")
    inferencer = inferencer_of(cfg)
    exported = export_model(cfg, inferencer.model, tmp_path / "masks.onnx", ExportOptions())
    assert exported.description.outputs == ("heatmaps", "tag_maps")
    parity = check_parity(exported, inferencer, pictures())
    assert parity.same, parity.describe()
    assert parity.people > 0


def test_a_refinement_network_is_exported_beside(tmp_path):
    cfg = small_config()
    crop = single_person()
    refiner = dict(
        type="SinglePersonRefiner", model=crop, sizes=(64, 32), multiple_of=32, device="cpu", min_agreement=0.0
    )
    cfg.model.postprocessors = [refiner]
    cfg.test_dataloader.dataset.pipeline = [dict(type="KeepOriginal"), *cfg.test_dataloader.dataset.pipeline]
    inferencer = inferencer_of(cfg)
    exported = export_model(cfg, inferencer.model, tmp_path / "pose.onnx", ExportOptions())
    assert (tmp_path / "pose.refiner.onnx").is_file()
    parity = check_parity(exported, inferencer, pictures())
    assert parity.strangers == 0
    assert parity.keypoints < 0.05  # the network is not sure of anything, so that rounding moves keypoints
    without = inferencer.model.postprocessors.pop()
    assert without is not None
    assert check_parity(exported, inferencer, pictures()).keypoints > 1


def test_peaks_alone_are_enough_for_people_in_cells(tmp_path):
    cfg = small_config()
    inferencer = inferencer_of(cfg)
    exported = export_model(cfg, inferencer.model, tmp_path / "peaks.onnx", ExportOptions(maps=False))
    assert exported.description.outputs == ("scores", "cells", "tags")
    assert check_parity(exported, inferencer, pictures()).same


def test_a_quantised_file_keeps_its_description_and_the_convolutions_of_its_maps(tmp_path):
    import onnx

    cfg = small_config()
    inferencer = inferencer_of(cfg)
    exported = export_model(cfg, inferencer.model, tmp_path / "pose.onnx", ExportOptions(precision="int8"))
    exact = exported.predictor().outputs(pictures()[0])["heatmaps"]
    quantized = exported.quantize(pictures())
    convolutions = sum(node.op_type == "Conv" for node in onnx.load(str(exported.path)).graph.node)
    assert 0 < quantized.quantized < convolutions
    predictor = quantized.predictor()
    assert predictor.description == exported.description
    found = predictor.outputs(pictures()[0])["heatmaps"]
    assert 0 < np.abs(found - exact).max() < 0.5 * np.abs(exact).max()


def test_nothing_is_quantised_without_images(tmp_path):
    with pytest.raises(ExportError, match="int8 needs images to calibrate with, got none"):
        quantize(tmp_path / "pose.onnx", [])


class TestOpenModelZoo:
    @pytest.fixture(scope="class")
    def zoo(self, tmp_path_factory):
        openvino = pytest.importorskip("openvino", reason='pip install "aemm[openvino]"')
        cfg = small_config()
        for_open_model_zoo(cfg)
        cfg.model.decoder.pose_threshold = 1e-5
        inferencer = inferencer_of(cfg)
        path = tmp_path_factory.mktemp("zoo") / "pose.xml"
        options = ExportOptions(format="openvino", contract="openvino")
        return openvino, inferencer, export_model(cfg, inferencer.model, path, options)

    def test_outputs_have_the_zoos_names_order_and_signs(self, zoo):
        openvino, _, exported = zoo
        model = openvino.Core().read_model(str(exported.path))
        assert [sorted(output.get_names())[0] for output in model.outputs] == ["heatmaps", "embeddings"]
        assert list(model.input(0).shape) == [1, 3, 64, 64]
        outputs = Predictor(exported.path).engine.run(np.zeros((1, 3, 64, 64), np.uint8))
        assert outputs["heatmaps"].shape == (1, 17, 16, 16)
        assert outputs["embeddings"].shape == (1, 17, 16, 16, 2)

    def test_the_runtime_finds_what_the_zoos_grouping_finds(self, zoo):
        _, inferencer, exported = zoo
        parity = check_parity(exported, inferencer, pictures())
        assert parity.same, parity.describe()
        assert parity.people > 3
