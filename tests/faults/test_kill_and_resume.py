"""Ten of the trials that kill_and_resume.py makes, and what they would not overlook."""

import shutil

import pytest
import torch

from tests.faults.trials import EPOCHS, KINDS, Experiment


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return Experiment(tmp_path_factory.mktemp("faults"), seed=3)


@pytest.mark.parametrize("number", range(10))
def test_no_fault_costs_more_than_what_was_not_saved_yet(experiment, number):
    outcome = experiment.trial(number)
    assert not outcome.faults, outcome
    assert KINDS[number % len(KINDS)] in outcome.kinds


def test_files_are_written_as_often_as_is_counted_on(experiment):
    aims = [event.split()[-1].lstrip(".").split("_")[0] for event in experiment.events]
    assert aims.count("epoch") > 4 * EPOCHS
    assert aims.count("best") >= 3


@pytest.mark.parametrize("harm", ["change a weight", "lose the best", "leave a part"])
def test_a_wrong_result_is_noticed(experiment, tmp_path, harm):
    folder = shutil.copytree(experiment.whole, tmp_path / "run")
    newest = folder / f"epoch_{EPOCHS}.pth"
    if harm == "change a weight":
        checkpoint = torch.load(newest, weights_only=True)
        next(iter(checkpoint["state_dict"].values())).view(-1)[0] += 1e-6
        torch.save(checkpoint, newest)
    elif harm == "lose the best":
        next(folder.glob("best_*")).unlink()
    else:
        (folder / ".epoch_9.pth.part").touch()
    (fault,) = experiment.differences(folder)
    assert fault.startswith("wrong: ")
