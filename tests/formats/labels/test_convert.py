"""Annotations of labelling tools become COCO files that load, mean the same, and are accounted for."""

import json
import shutil

import cv2
import numpy as np
import pytest

from aemm.cli import main
from aemm.cli.convert_data import FORMATS
from aemm.cli.outcome import ExitCode
from aemm.datasets import CocoPoseDataset
from aemm.evaluation import CocoMetric
from aemm.skeletons import build_skeleton
from tests.label_files import KEYPOINTS, KIND, OF_SLEAP_IO, WRITERS, Shot, draw_images, draw_scene
from tests.pairs import measured

hypothesis = pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -r requirements/tests.txt")

from tests.fuzz.loaders import perfect  # noqa: E402


def convert(name, source, out, *words):
    """The exit code of the command."""
    return main(
        [
            "convert-data",
            name.removesuffix("-points") if name == "cvat-points" else name,
            str(source),
            "--out",
            str(out),
            *words,
        ]
    )


def loaded(out, img_dir, split="annotations", **options):
    options = dict(skeleton=str(out / "skeleton.json")) | options
    return CocoPoseDataset(str(out / f"{split}.json"), str(img_dir), test_mode=True, **options)


def split_of(name):
    return "train" if name == "yolo-pose" else "annotations"


def folder_of(name, root):
    return root / {
        "yolo-pose": "images/train",
        "cvat": "images",
        "cvat-points": "images",
        "deeplabcut": "labeled-data/flock",
    }.get(name, "")


def check_same(name, shots, dataset):
    """Whether a data set holds the birds of a scene; SLEAP and DeepLabCut know no hidden points."""
    by_name = {dataset.file.images[n].file_name: dataset[n].truth for n in range(len(dataset))}
    order = list(dataset.skeleton.keypoints)
    assert sorted(order) == sorted(KEYPOINTS)
    for shot in shots:
        if name in OF_SLEAP_IO and not shot.birds:
            assert shot.name not in by_name
            continue
        truth = by_name[shot.name]
        assert len(truth) == len(shot.birds)
        for n, (points, box) in enumerate(shot.birds):
            for k, keypoint in enumerate(order):
                x, y, v = points.get(keypoint, (0, 0, 0))
                assert truth.visible[n, k] == (2 if v and name in OF_SLEAP_IO else v)
                np.testing.assert_allclose(truth.keypoints[n, k], [x, y], atol=1e-4)
            if name not in (*OF_SLEAP_IO, "cvat"):  # a skeleton of CVAT has no box of its own
                np.testing.assert_allclose(truth.boxes[n], [*box[:2], box[0] + box[2], box[1] + box[3]], atol=1e-4)


def check_ap(dataset):
    truths = [dataset[n].truth for n in range(len(dataset))]
    figures = measured(CocoMetric(), dataset.metainfo, [(truth, perfect(truth)) for truth in truths])
    assert figures["coco/AP"] == pytest.approx(1)


@pytest.mark.parametrize("name", WRITERS)
def test_ground_truth_of_every_tool_loads_means_the_same_and_is_perfect(name, tmp_path, capsys):
    @hypothesis.settings(max_examples=6, deadline=None, derandomize=True, database=None)
    @hypothesis.given(hypothesis.strategies.integers(0, 10**6))
    def run(seed):
        root, out = tmp_path / "data", tmp_path / "out"
        for folder in (root, out):
            shutil.rmtree(folder, ignore_errors=True)
        root.mkdir()
        shots = draw_scene(np.random.default_rng(seed))
        code = convert(name, WRITERS[name](root, shots), out)
        assert code == ExitCode.DONE, capsys.readouterr()
        dataset = loaded(out, folder_of(name, root), split_of(name))
        check_same(name, shots, dataset)
        check_ap(dataset)

    run()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OF_SLEAP_IO)
def test_ground_truth_that_sleap_io_reads_loads_means_the_same_and_is_perfect(name, tmp_path):
    pytest.importorskip("sleap_io", reason='needs sleap-io: pip install "aemm[sleap-io]"')
    shots = draw_scene(np.random.default_rng(3), images=2)
    convert(name, OF_SLEAP_IO[name](tmp_path, shots), tmp_path / "out")
    dataset = loaded(tmp_path / "out", folder_of(name, tmp_path))
    check_same(name, shots, dataset)
    check_ap(dataset)


def test_frames_within_a_project_of_sleap_are_written(tmp_path):
    sleap_io = pytest.importorskip("sleap_io", reason='needs sleap-io: pip install "aemm[sleap-io]"')
    shots = draw_scene(np.random.default_rng(5), images=2)
    whole = sleap_io.load_slp(str(OF_SLEAP_IO["sleap"](tmp_path, shots)))
    whole.save(str(tmp_path / "whole.pkg.slp"), embed=True, verbose=False)
    for shot in shots:
        (tmp_path / shot.name).unlink()
    convert("sleap", tmp_path / "whole.pkg.slp", tmp_path / "out")
    dataset = loaded(tmp_path / "out", tmp_path / "out" / "images")
    assert dataset[0].truth.keypoints.shape == (3, 4, 2)
    assert dataset[0].image.shape == (70, 200, 3)


def test_without_sleap_io_the_extra_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "sleap_io", None)
    (tmp_path / "a.slp").write_bytes(b"x")
    assert convert("sleap", tmp_path / "a.slp", tmp_path / "out") == ExitCode.FAULT
    assert 'pip install "aemm[sleap-io]"' in capsys.readouterr().err


@pytest.mark.parametrize("name", WRITERS)
def test_sides_are_paired_and_counts_are_told(name, tmp_path, capsys):
    shots = draw_scene(np.random.default_rng(1), images=2)
    source = WRITERS[name](tmp_path, shots)
    capsys.readouterr()
    assert convert(name, source, tmp_path / "out") == ExitCode.DONE
    told = capsys.readouterr().out
    assert "pairs: left_wing - right_wing" in told
    birds = sum(len(shot.birds) for shot in shots)
    points = sum(len(points) for shot in shots for points, _ in shot.birds)
    assert f"2 images, {birds} objects, {points} points" in told
    assert f"{points} points\n" in told[told.index("read:") :]
    skeleton = build_skeleton(str(tmp_path / "out" / "skeleton.json"))
    left, right = (skeleton.keypoints.index(f"{side}_wing") for side in ("left", "right"))
    assert skeleton.flip_index[left] == right
    assert "sigmas of" in told
    assert "left out: nothing" in told


@pytest.mark.parametrize("name", WRITERS)
def test_an_image_that_is_not_there_or_broken_is_left_out_and_listed(name, tmp_path, capsys):
    shots = draw_scene(np.random.default_rng(2), images=4)
    shots[3].birds = shots[0].birds
    source = WRITERS[name](tmp_path, shots)
    folder = folder_of(name, tmp_path)
    (folder / "shot1.png").write_bytes(b"broken")
    if name != "yolo-pose":  # which lists the images of a folder
        (folder / "shot2.png").unlink()
    assert convert(name, source, tmp_path / "out") == ExitCode.LEFT_OUT
    told = capsys.readouterr().out
    assert "1 images that cannot be read" in told
    assert "shot1.png cannot be decoded" in told
    assert ("1 images that are not there" in told) == (name != "yolo-pose")
    dataset = loaded(tmp_path / "out", folder, split_of(name))
    assert len(dataset) == (3 if name == "yolo-pose" else 2)


def test_an_image_of_another_size_is_left_out(tmp_path, capsys):
    source = WRITERS["cvat"](tmp_path, draw_scene(np.random.default_rng(2), images=2))
    cv2.imwrite(str(tmp_path / "images" / "shot1.png"), np.zeros((20, 30, 3), np.uint8))
    assert convert("cvat", source, tmp_path / "out") == ExitCode.LEFT_OUT
    assert "shot1.png: it is 30x20, but was labelled as 200x70" in capsys.readouterr().out


def test_images_may_be_elsewhere(tmp_path):
    shots = draw_scene(np.random.default_rng(2), images=2)
    source = WRITERS["coco-points"](tmp_path / "labels", shots)
    for shot in shots:
        (tmp_path / "labels" / shot.name).unlink()
    draw_images(tmp_path / "photos", shots)
    assert convert("coco-points", source, tmp_path / "out", "--images", str(tmp_path / "photos")) == ExitCode.DONE
    check_same("coco-points", shots, loaded(tmp_path / "out", tmp_path / "photos"))


def test_nothing_to_write_is_an_error(tmp_path, capsys):
    shots = [Shot("a.png", (20, 30), [])]
    assert convert("cvat", WRITERS["cvat"](tmp_path, shots), tmp_path / "out") == ExitCode.FAULT
    assert "no keypoint is left to write, of 1 images" in capsys.readouterr().err


def test_the_keypoints_of_a_known_set_come_in_its_order(tmp_path):
    from aemm.skeletons import SKELETONS

    draw_images(tmp_path, [Shot("a.png", (40, 40), [])])
    shapes = [
        dict(label=name.replace("left_", "L ").replace("right_", "R "), shape_type="point", points=[[n + 1, 2 * n + 1]])
        for n, name in enumerate(reversed(SKELETONS["coco"].keypoints))
    ]
    (tmp_path / "a.json").write_text(json.dumps(dict(imagePath="a.png", shapes=shapes)))
    assert convert("labelme", tmp_path, tmp_path / "out") == ExitCode.DONE
    dataset = loaded(tmp_path / "out", tmp_path, skeleton="coco")
    np.testing.assert_allclose(dataset[0].truth.keypoints[0], [[17 - k, 33 - 2 * k] for k in range(17)])
    written = build_skeleton(str(tmp_path / "out" / "skeleton.json"))
    assert written.sigmas == SKELETONS["coco"].sigmas
    assert written.flip_index == SKELETONS["coco"].flip_index
    assert len(written.limbs) == len(SKELETONS["coco"].limbs)


def test_every_format_has_a_writer_in_these_tests():
    assert set(FORMATS) == {*WRITERS, *OF_SLEAP_IO} - {"cvat-points"}
    assert KIND == "bird"
