"""A few images of what parity_of_networks compares by command; minutes all the same, to export every network."""

import pytest

from tests.export.parity_of_networks import held
from tests.export.random_networks import RECIPES

pytestmark = pytest.mark.slow
pytest.importorskip("onnxruntime", reason='pip install "aemm[export]"')
pytest.importorskip("onnxscript", reason='pip install "aemm[export]"')


@pytest.mark.parametrize("network", [network for network, width in RECIPES if width == "tiny"])
def test_exported_networks_find_the_same_in_several_sizes_one_by_one_and_in_fours(network, tmp_path):
    rows = list(held((network, "tiny"), {(128, 128): 4, (160, 224): 4}, ["onnxruntime"], tmp_path))
    assert [row.batch for row in rows] == [1, 4, 1, 4]
    for row in rows:
        assert row.same, row.found.describe()
        assert row.found.people > row.found.images
        assert row.found.maps < 1e-4
