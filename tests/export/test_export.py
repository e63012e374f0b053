import numpy as np
import pytest
import torch
from torch import nn

from aemm.cli import main
from aemm.cli.export import ENDINGS
from aemm.engine.folding import fold_norms
from aemm.export import FORMATS, DeployedNetwork, ExportError, ExportOptions, choose_flip, export_model
from aemm.export.model import Exported
from aemm.export.network import find_multiple
from aemm.export.parity import Parity, check_sizes, difference
from aemm.export.writers import write_beside
from aemm.records import Instances
from tests.export.small_models import inferencer_of, small_config


def test_batch_norms_are_folded_also_where_a_network_runs_twice():
    inferencer = inferencer_of(small_config(tta=dict(type="TestTimeAugmentation", flip=True)))
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in inferencer.model.modules())
    network = DeployedNetwork(inferencer.model, "continuous").eval()
    image = torch.randint(0, 256, (1, 3, 32, 64)).to(torch.uint8)
    with torch.no_grad():
        before = network(image)[3]
        assert fold_norms(network.maps, [network], image) == norms > 5
        torch.testing.assert_close(network(image)[3], before)


def test_a_graph_with_sizes_baked_in_is_found(tmp_path):
    network = DeployedNetwork(inferencer_of(small_config()).model, "continuous").eval()

    class Baked:
        input_size = None

        def run(self, images):
            with torch.no_grad():
                found = network(torch.from_numpy(np.resize(images, (2, 3, 32, 48))))
            return dict(zip(network.names, (value.numpy() for value in found), strict=True))

    with pytest.raises(ExportError, match="sizes were baked into the graph"):
        check_sizes(network, Baked(), find_multiple(network)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(format="tflite"), "format must be one of onnx, torch-export, torchscript, openvino, web, got 'tflite'"),
        (dict(precision="bf16"), "precision must be 'fp32', 'fp16' or 'int8', got 'bf16'"),
        (dict(precision="int8", format="openvino"), "precision 'int8' is one of format 'onnx'"),
        (dict(contract="openvino", maps=False), "contract 'openvino' consists of maps"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(ExportError, match=message):
        ExportOptions(**options)


def test_the_command_knows_the_endings_of_all_formats():
    assert {name: form.ending for name, form in FORMATS.items()} == ENDINGS


def test_a_model_without_augmentation_is_mirrored_where_that_is_asked_for():
    cfg = small_config()
    assert cfg.model.get("tta") is None
    for flip, mirrored in ((None, False), (False, False), (True, True), (None, True)):
        choose_flip(cfg, flip)
        assert inferencer_of(cfg).model.tta.flip is mirrored


def test_a_contract_of_one_look_is_not_mirrored(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["export", "a.py", "b.pth", "--contract", "openvino", "--flip"])
    assert "--contract openvino looks at an image once" in capsys.readouterr().err


def test_scales_beside_one_are_refused(tmp_path):
    cfg = small_config()
    cfg.test_dataloader.dataset.pipeline[0].scales = (2.0, 1.0)
    inferencer = inferencer_of(cfg)
    with pytest.raises(ExportError, match=r"looks at one scale, 1, got scales=\[1.0, 2.0\]"):
        export_model(cfg, inferencer.model, tmp_path / "pose.onnx", ExportOptions())


def test_half_precision_keeps_peaks_in_single(tmp_path):
    network = DeployedNetwork(inferencer_of(small_config()).model, "continuous").eval()
    image = torch.randint(0, 256, (1, 3, 32, 64)).to(torch.uint8)
    with torch.no_grad():
        exact = network(image)[3]
        network.halve()
        scores, cells, tags, heatmaps, _ = network(image)
    assert {scores.dtype, tags.dtype, heatmaps.dtype} == {torch.float32}
    assert cells.dtype == torch.int64
    assert 0 < (heatmaps - exact).abs().max() < 1e-2


@pytest.mark.parametrize("error", [ExportError("sizes were baked in"), RuntimeError("no such operator")])
def test_a_graph_that_is_refused_is_not_left_behind(tmp_path, monkeypatch, error):
    def write(graph, description, path):
        path.write_bytes(b"graph")
        write_beside(description, path)

    def refuse(*given):
        raise error

    monkeypatch.setitem(FORMATS, "torchscript", FORMATS["torchscript"]._replace(write=write))
    monkeypatch.setattr(Exported, "engine", refuse)
    cfg = small_config()
    with pytest.raises(type(error), match=str(error)):
        export_model(cfg, inferencer_of(cfg).model, tmp_path / "pose.pt", ExportOptions("torchscript"))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_number_is_no_small_difference():
    zeros = np.zeros((1, 2), np.float32)
    assert difference(zeros, zeros + 0.5) == 0.5
    for wrong in (np.nan, np.inf):
        assert difference(zeros, np.array([[0, wrong]], np.float32)) == np.inf


def test_parity_without_maps_says_so():
    parity = Parity()
    assert "no maps to compare; same" in parity.describe()
    parity.maps = 0.25
    assert "maps differ by at most 0.25; same" in parity.describe()


def test_parity_without_anybody_and_with_other_classes_is_told():
    nobody = Instances(0, (4, 4), np.zeros(0))
    parity = Parity()
    parity.add(nobody, nobody)
    assert "not known, since nobody is there; name other images by --images" in parity.describe()
    one, other = (Instances(0, (4, 4), np.ones(1), labels=np.array([label])) for label in (0, 1))
    parity.add(one, one)
    assert "same instances: yes" in parity.describe()
    parity.add(one, other)
    assert "same instances: no" in parity.describe()
