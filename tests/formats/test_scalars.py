"""Curves of trainings, read as mmengine writes them."""

from aemm.formats.scalars import read_history
from tests.scalars import step_row, write_scalars


def test_validation_stands_where_training_was(tmp_path):
    write_scalars(tmp_path, "1", [step_row(10, 3.0), step_row(20, 2.0), {"coco/AP": 0.5, "time": 1.0, "step": 1}])
    history = read_history(tmp_path)
    assert history.training == {"lr": ([10, 20], [0.1, 0.1]), "loss": ([10, 20], [3.0, 2.0])}
    assert history.validation == {"coco/AP": ([20], [0.5])}


def test_a_resumed_training_takes_the_place_of_what_it_repeats(tmp_path):
    write_scalars(tmp_path, "20240101_000000", [step_row(10, 3.0), step_row(20, 2.0), step_row(30, 9.0)])
    write_scalars(tmp_path, "20240102_000000", [step_row(25, 1.5), step_row(35, 1.0)])
    assert read_history(tmp_path).training["loss"] == ([10, 20, 25, 35], [3.0, 2.0, 1.5, 1.0])


def test_a_training_started_anew_has_no_past(tmp_path):
    write_scalars(tmp_path, "1", [step_row(10, 3.0), step_row(20, 2.0)])
    write_scalars(tmp_path, "2", [step_row(10, 7.0)])
    assert read_history(tmp_path).training["loss"] == ([10], [7.0])


def test_tests_and_broken_lines_are_left_out(tmp_path):
    write_scalars(tmp_path, "1", [step_row(10, 3.0), "[1]\n", "\n", '{"step": true}\n', '{"lr": 0.1, "lo'])
    write_scalars(tmp_path, "2", [{"coco/AP": 0.5, "step": 0}])
    history = read_history(tmp_path)
    assert history.training["loss"] == ([10], [3.0])
    assert not history.validation


def test_a_folder_without_curves_has_none(tmp_path):
    assert not read_history(tmp_path)
    assert not read_history(tmp_path / "absent")
