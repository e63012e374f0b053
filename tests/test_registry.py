import pytest
from torch import nn

from aemm.registry import DECODERS, MODELS, UnknownArgumentError, UnknownTypeError, check_arguments


def test_parts_are_found_without_an_import():
    assert MODELS.get("HourglassAE").__module__ == "aemm.models.backbones.hourglass"
    assert DECODERS.get("PoseDecoder").__module__ == "aemm.models.decoders.pose"


def test_an_unknown_type_names_the_registry_its_places_and_the_nearest_names():
    with pytest.raises(UnknownTypeError) as caught:
        MODELS.build(dict(type="HourGlassAE"))
    message = str(caught.value)
    assert "'HourGlassAE' is not in the registry 'aemm::model' (filled from aemm.models)" in message
    assert "did you mean 'HourglassAE'" in message
    assert "custom_imports" in message


def test_an_unknown_type_without_neighbours_lists_what_there_is():
    with pytest.raises(UnknownTypeError, match=r"it knows .*PoseDecoder"):
        DECODERS.build(dict(type="Xyzzy"))


def test_an_unknown_argument_names_the_nearest():
    with pytest.raises(UnknownArgumentError, match="Conv2d has no argument 'kernel_sise'; did you mean 'kernel_size'"):
        check_arguments(nn.Conv2d, dict(kernel_sise=3), "model.conv")
    check_arguments(nn.Conv2d, dict(kernel_size=3), "model.conv")


def test_a_type_that_became_a_setting_says_which():
    with pytest.raises(UnknownTypeError, match="'HeatmapHead' is gone: write type='AEHead', tag_dims=0") as caught:
        MODELS.build(dict(type="HeatmapHead", num_heatmaps=17))
    assert "docs/upgrading.md" in str(caught.value)
