import pytest

hypothesis = pytest.importorskip("hypothesis", reason="fuzzing needs hypothesis: pip install -r requirements/tests.txt")

from hypothesis import strategies as st  # noqa: E402

from tests.fuzz.attempts import LOADERS, attempt  # noqa: E402

COUNTS = dict(keypoints=90, instances=40, mpii=40, crowdpose=30, voc=30, labels=50, matlab=40, skeleton=40, config=30)
COUNTS["config file"] = 15


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LOADERS)
def test_broken_input_loads_right_or_ends_in_the_documented_error(name, tmp_path):
    @hypothesis.settings(
        max_examples=COUNTS[name], deadline=None, derandomize=True, database=None, phases=[hypothesis.Phase.generate]
    )
    @hypothesis.given(st.data())
    def run(data):
        attempt(name, tmp_path / "case", data.draw)

    run()
