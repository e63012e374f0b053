"""Data of one's own: what follows from an annotation file, what is asked, what is written, and that it trains."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aemm.cli import main
from aemm.cli.outcome import ExitCode
from aemm.datasets import SyntheticPoseDataset
from aemm.engine import load_config
from aemm.engine.own_data import distinct_sides, make_plan, read_own_data
from aemm.registry import DATASETS, MODELS

NAMES = ["nose", "left_wrist", "right_wrist", "left_ankle", "right_ankle"]
FIVE = dict(name="five", keypoints=NAMES, sigmas=[0.05] * 5, limbs=[["nose", "left_wrist"]])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Exported drawings of two kinds: with colours for the sides, and with none."""
    folder = tmp_path_factory.mktemp("own")
    for name, colored in (("colored", True), ("plain", False)):
        people = SyntheticPoseDataset(30, 64, people=(1, 2), skeleton=FIVE, side_colors=colored, height=(0.8, 0.95))
        people.export_coco(folder / name)
    return folder


@pytest.fixture
def birds(tmp_path):
    """A function that writes six grey images and their annotations, changed by the test."""

    def write(change=lambda data: None, names=("left eye", "right eye", "beak"), size=(60, 40), folder="images"):
        (tmp_path / folder).mkdir(exist_ok=True)
        data = dict(images=[], annotations=[], categories=[dict(id=1, name="bird", keypoints=list(names))])
        for n in range(6):
            Image.fromarray(np.full((size[1], size[0], 3), 90, np.uint8)).save(tmp_path / folder / f"{n}.png")
            data["images"].append(dict(id=n, file_name=f"{n}.png", width=size[0], height=size[1]))
            points = [value for k in range(len(names)) for value in (10 + 5 * k, 20, 2)]
            row = dict(id=n + 1, image_id=n, category_id=1, keypoints=points, bbox=[5, 10, 30, 20], area=600, iscrowd=0)
            data["annotations"].append(row)
        change(data)
        path = tmp_path / "birds.json"
        path.write_text(json.dumps(data))
        return path

    return write


def init(*words):
    return main(["init", *map(str, words)])


def test_what_is_written_loads_builds_and_reads_from_any_folder(drawn, tmp_path, monkeypatch, capsys):
    out = tmp_path / "mine"
    assert init(drawn / "colored", "--out", out, "--yes") == ExitCode.DONE
    said = capsys.readouterr().out
    assert "left_wrist <-> right_wrist" in said
    assert "nose 0.026" in said
    assert f"aemm train {out}/mine.py" in said
    monkeypatch.chdir("/")
    cfg = load_config(str(out / "mine.py"))
    model = MODELS.build(cfg.model)
    assert (model.head.num_heatmaps, model.backbone.channels) == (5, (15,))
    train, val = (DATASETS.build(cfg[f"{part}_dataloader"].dataset) for part in ("train", "val"))
    assert (len(train), len(val)) == (27, 3)
    names = [{image.file_name for image in data.file.images} for data in (train, val)]
    assert not names[0] & names[1]
    assert len(names[0] | names[1]) == 30
    assert train.skeleton.keypoints == tuple(NAMES)
    assert train[0].targets[0].size == (32, 32)


@pytest.mark.slow
def test_a_training_of_what_is_written_runs_and_is_tested(drawn, tmp_path):
    out = tmp_path / "mine"
    init(drawn / "plain", "--out", out, "--epochs", "1", "--yes")
    assert main(["train", str(out / "mine.py"), "--work-dir", str(tmp_path / "run")]) == ExitCode.DONE
    checkpoint = str(tmp_path / "run/epoch_1.pth")
    assert main(["test", str(out / "mine.py"), checkpoint, "--work-dir", str(tmp_path / "test")]) == ExitCode.DONE


def test_mirror_images_are_left_out_where_colours_tell_the_sides_apart(drawn, capsys, tmp_path):
    colored, plain = (read_own_data(str(drawn / name)) for name in ("colored", "plain"))
    assert "left_wrist" in distinct_sides(colored)
    assert distinct_sides(plain) == []
    assert (make_plan(colored).flip, make_plan(plain).flip, make_plan(colored, flip=True).flip) == (False, True, True)
    init(drawn / "colored", "--out", tmp_path / "a", "--yes")
    assert "no mirror images, since left_wrist" in capsys.readouterr().out
    init(drawn / "plain", "--out", tmp_path / "b", "--yes")
    assert "RandomFlip" in (tmp_path / "b/b.py").read_text()


@pytest.mark.parametrize(("size", "side"), [((60, 40), 128), ((200, 150), 256), ((700, 500), 256)])
def test_the_input_follows_from_the_images_and_the_epochs_from_their_number(birds, size, side):
    own = read_own_data(str(birds(size=size)))
    plan = make_plan(own)
    assert (plan.size, plan.batch, plan.epochs) == (side, 5, 1000)
    given = make_plan(own, size=320, epochs=7, validation=0.5)
    assert (given.size, given.batch, given.epochs) == (320, 3, 7)


def test_small_batches_are_learnt_from_at_a_lower_rate(birds, drawn, tmp_path):
    init(birds(size=(60, 40)), "--out", tmp_path / "few", "--yes")
    init(drawn / "plain", "--out", tmp_path / "more", "--yes")
    few, more = (load_config(str(tmp_path / f"{name}/{name}.py")) for name in ("few", "more"))
    assert (few.train_dataloader.batch_size, few.optim_wrapper.optimizer.lr) == (5, 0.0095)
    assert (more.train_dataloader.batch_size, more.optim_wrapper.optimizer.lr) == (8, 0.012)
    assert few.default_hooks.checkpoint.interval == few.train_cfg.val_interval == 100


def test_many_images_need_few_epochs(drawn, monkeypatch):
    own = read_own_data(str(drawn / "plain"))
    assert make_plan(own).epochs == 1000
    monkeypatch.setattr("aemm.engine.own_data._annotated_images", lambda file: list(range(30)) * 300)
    monkeypatch.setattr("aemm.engine.own_data.distinct_sides", lambda own: [])
    assert make_plan(own).epochs == 6


def test_names_of_any_language_give_pairs_and_known_constants(birds):
    own = read_own_data(str(birds(names=("LeftEye", "eye_R", "tail"))))
    assert own.pairs == [("LeftEye", "eye_R")]
    assert own.skeleton.sigmas == (0.025, 0.025, 0.05)
    assert own.doubts == ()
    assert read_own_data(str(birds(names=("a", "b", "c")))).doubts


def test_areas_that_are_missing_are_taken_from_boxes(birds, tmp_path):
    def without(data):
        data["annotations"][2].pop("area")

    assert init(birds(without), "--out", tmp_path / "mine", "--yes") == ExitCode.DONE
    assert "area_per_box=0.53" in (tmp_path / "mine/mine.py").read_text()


def test_the_images_are_looked_for_beside_the_file_and_can_be_named(birds, tmp_path):
    path = birds(folder="elsewhere")
    with pytest.raises(FileNotFoundError, match=r"such as 0\.png, are in none of .*name their folder by --images"):
        read_own_data(str(path))
    assert read_own_data(str(path), str(tmp_path / "elsewhere")).images == tmp_path / "elsewhere"
    with pytest.raises(FileNotFoundError, match="--images nowhere is no folder"):
        read_own_data(str(path), "nowhere")


def second_category(data):
    data["categories"].append(dict(id=2, name="cat", keypoints=["a", "b", "c"]))
    data["annotations"][0]["category_id"] = 2


def test_of_several_objects_one_is_chosen(birds):
    with pytest.raises(ValueError, match="bird, cat all have keypoints; choose by --category"):
        read_own_data(str(birds(second_category)))
    assert read_own_data(str(birds(second_category)), category="bird").category == "bird"
    with pytest.raises(ValueError, match=r"none is called 'dog' and has 'keypoints'.*there are 'bird', 'cat'"):
        read_own_data(str(birds(second_category)), category="dog")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data["categories"][0].pop("keypoints"), "has annotations and 'keypoints'"),
        (lambda data: data["annotations"][0].update(keypoints=[1, 2]), "annotation 1: "),
        (lambda data: data.pop("images"), "'images' is missing"),
        (lambda data: data["images"][0].update(width=0), "width"),
        (lambda data: data["categories"][0].update(keypoints=["a", 3, "b"]), "list of names"),
        (lambda data: [row.update(keypoints=[0] * 9) for row in data["annotations"][1:]], "fewer than 2 images"),
        (lambda data: data["categories"][0].pop("name"), "category 1: name must be text"),
        (lambda data: [image.update(file_name=None) for image in data["images"]], "expected a file_name"),
        (lambda data: data["images"][4].update(file_name="gone.png"), "gone.png"),
    ],
)
def test_faults_of_the_file_are_the_users_and_nothing_is_written(birds, tmp_path, capsys, change, said):
    assert init(birds(change), "--out", tmp_path / "mine", "--yes") == ExitCode.FAULT
    message = capsys.readouterr().err
    assert said in message
    assert "birds.json" in message
    assert "Traceback" not in message
    assert not (tmp_path / "mine").exists()


def test_a_folder_that_was_converted_keeps_its_split_its_images_and_its_skeleton(tmp_path):
    for part, count in (("train", 4), ("val", 2)):
        for n in range(count):
            path = tmp_path / f"yolo/images/{part}/{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(path)
            labels = tmp_path / f"yolo/labels/{part}/{n}.txt"
            labels.parent.mkdir(parents=True, exist_ok=True)
            labels.write_text("0 0.5 0.5 0.6 0.6 0.3 0.4 2 0.6 0.4 2 0.5 0.7 2\n")
    (tmp_path / "yolo/data.yaml").write_text(
        f"path: {tmp_path}/yolo\ntrain: images/train\nval: images/val\nnames: {{0: bird}}\nkpt_shape: [3, 3]\n"
        "flip_idx: [1, 0, 2]\nkpt_names: {0: [a, b, c]}\nkpt_oks_sigmas: [0.03, 0.03, 0.07]\n"
    )
    converted = tmp_path / "converted"
    assert (
        main(["convert-data", "yolo-pose", str(tmp_path / "yolo/data.yaml"), "--out", str(converted)]) == ExitCode.DONE
    )
    assert init(converted, "--out", tmp_path / "birds", "--yes") == ExitCode.DONE
    cfg = load_config(str(tmp_path / "birds/birds.py"))
    train, val = (DATASETS.build(cfg[f"{part}_dataloader"].dataset) for part in ("train", "val"))
    assert (len(train), len(val)) == (4, 2)
    assert train.skeleton.sigmas == (0.03, 0.03, 0.07)
    assert train.skeleton.flip_index == (1, 0, 2)
    assert train[0].image.shape == (128, 128, 3)
    assert init(converted, "--out", converted, "--yes", "--overwrite") == ExitCode.FAULT


def _labelme(folder, kinds):
    """Two images for each kind of object, with two points whose sides no name tells."""
    folder.mkdir()
    for n, kind in enumerate(kinds * 2):
        Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(folder / f"{n}.png")
        shapes = [dict(label=kind, shape_type="rectangle", group_id=1, points=[[5, 5], [50, 30]])]
        for name, x in (("a", 10), ("b", 30)):
            shapes.append(dict(label=name, shape_type="point", group_id=1, points=[[x, 20]]))
        (folder / f"{n}.json").write_text(json.dumps(dict(imagePath=f"{n}.png", shapes=shapes)))
    return folder


@pytest.mark.parametrize("kinds", [["bird"], ["bird", "fish"]])
def test_the_skeleton_of_any_converted_set_is_that_which_was_written_beside_it(tmp_path, kinds):
    converted = tmp_path / "converted"
    assert main(["convert-data", "labelme", str(_labelme(tmp_path / "labels", kinds)), "--out", str(converted)]) == 0
    ending = "_bird" if len(kinds) > 1 else ""
    told = json.loads((converted / f"skeleton{ending}.json").read_text())
    told |= dict(sigmas=[0.03, 0.07], flip_index=[1, 0])  # as the documentation asks for
    (converted / f"skeleton{ending}.json").write_text(json.dumps(told))
    own = read_own_data(str(converted / f"annotations{ending}.json"))
    assert (own.skeleton.sigmas, own.skeleton.flip_index) == ((0.03, 0.07), (1, 0))
    (converted / f"skeleton{ending}.json").unlink()
    assert read_own_data(str(converted / f"annotations{ending}.json")).skeleton.sigmas == (0.05, 0.05)


def test_parts_of_a_kind_belong_together(birds, tmp_path):
    path = birds()
    for part in ("train_bird", "val_bird"):
        (tmp_path / f"{part}.json").write_bytes(path.read_bytes())
    assert read_own_data(str(tmp_path / "train_bird.json")).held_out == tmp_path / "val_bird.json"
    assert read_own_data(str(tmp_path / "val_bird.json")).held_out is None


def test_a_folder_must_hold_one_file(birds, tmp_path):
    path = birds()
    assert read_own_data(str(tmp_path)).path == path
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match=r"2 json files, birds\.json, other\.json; name one"):
        read_own_data(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="holds no json file"):
        read_own_data(str(tmp_path / "images"))
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_own_data(str(tmp_path / "none.json"))


@pytest.mark.parametrize(("answer", "code"), [("", ExitCode.DONE), ("y", ExitCode.DONE), ("n", ExitCode.USAGE)])
def test_the_pairs_are_confirmed(birds, tmp_path, monkeypatch, answer, code):
    path = birds()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda text: answer)
    assert init(path, "--out", tmp_path / "mine") == code
    assert (tmp_path / "mine/mine.py").exists() == (code == ExitCode.DONE)


def test_without_anybody_to_ask_yes_must_be_given(birds, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        init(birds(), "--out", tmp_path / "mine")
    assert caught.value.code == ExitCode.USAGE
    assert "left eye <-> right eye" in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["my birds", "a{b}", 'a"b', "a\\nb", "größe"])
def test_a_config_tells_whatever_its_images_and_objects_are_called(birds, tmp_path, capsys, folder):
    called = 'bird\'s "egg" {1}\\'
    path = birds(lambda data: data["categories"][0].update(name=called, skeleton=7), folder=folder)
    out = tmp_path / "own's {data}"
    assert init(path, "--images", tmp_path / folder, "--out", out, "--yes") == ExitCode.DONE
    train = DATASETS.build(load_config(str(out / "own's {data}.py")).train_dataloader.dataset)
    assert (len(train), train.file.info.classes) == (5, (called,))
    assert train.file.images[0].load().shape == (40, 60, 3)
    said = capsys.readouterr().out
    assert shlex.split(said.splitlines()[-1]) == ["aemm", "train", f"{out}/own's {{data}}.py"]
    assert init(path, "--images", tmp_path / folder, "--out", tmp_path / 'a"b"', "--yes") == ExitCode.FAULT
    assert "double quote" in capsys.readouterr().err


def test_what_is_odd_is_said_in_words(birds, tmp_path, capsys):
    path = birds(lambda data: data["annotations"][0].update(keypoints=[5000, 1, 2, 9, 9, 2, 9, 9, 2]))
    assert init(path, "--out", tmp_path / "mine", "--yes") == ExitCode.DONE
    assert "note: 1 keypoints of 1 people lie outside" in capsys.readouterr().out


@pytest.mark.parametrize("share", ["0.01", "0.99"])
def test_both_parts_of_a_split_have_something_to_learn_from(birds, tmp_path, share):
    def mostly_cats(data):
        second_category(data)
        for row in data["annotations"][:4]:
            row.update(category_id=2)

    path = birds(mostly_cats)
    assert init(path, "--out", tmp_path / "mine", "--val", share, "--category", "bird", "--yes") == ExitCode.DONE
    cfg = load_config(str(tmp_path / "mine/mine.py"))
    for part in ("train", "val"):
        assert DATASETS.build(cfg[f"{part}_dataloader"].dataset).file.annotated.sum() == 1


def test_the_folder_of_the_annotations_takes_what_is_written(birds, tmp_path, monkeypatch):
    path = birds().rename(tmp_path / "annotations.json")
    monkeypatch.chdir(tmp_path.parent)
    before = path.read_text()
    assert init(path, "--yes") == ExitCode.DONE
    assert (tmp_path / f"{tmp_path.name}.py").is_file()
    assert path.read_text() == before


def test_what_an_earlier_call_wrote_is_kept_unless_it_may_go(birds, tmp_path, capsys):
    words = (birds(), "--out", tmp_path / "mine", "--yes")
    assert init(*words) == ExitCode.DONE
    (tmp_path / "mine/mine.py").write_text("changed")
    assert init(*words) == ExitCode.FAULT
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "mine/mine.py").read_text() == "changed"
    assert init(*words, "--overwrite") == ExitCode.DONE


@pytest.mark.parametrize("words", [["--val", "1"], ["--size", "100"], ["--epochs", "0"]])
def test_settings_out_of_range_are_usage(birds, words):
    with pytest.raises(SystemExit) as caught:
        init(birds(), "--yes", *words)
    assert caught.value.code == ExitCode.USAGE


def test_the_pretrained_network_is_a_choice(birds, tmp_path):
    assert init(birds(), "--out", tmp_path / "mine", "--network", "mobilenet_v2", "--yes") == ExitCode.DONE
    cfg = load_config(str(tmp_path / "mine/mine.py"))
    assert cfg.model.backbone.init_cfg.checkpoint.endswith("mobilenet_v2-b0353104.pth")
    assert MODELS.build(cfg.model).head.num_heatmaps == 3


def test_the_split_is_written_as_files_that_name_the_images_of_each(birds, tmp_path):
    path = birds()
    assert init(path, "--out", tmp_path / "mine", "--val", "0.34", "--yes") == ExitCode.DONE
    parts = [json.loads((tmp_path / f"mine/{part}.json").read_text()) for part in ("train", "val")]
    assert [len(part["images"]) for part in parts] == [4, 2]
    for part in parts:
        assert {row["image_id"] for row in part["annotations"]} == {image["id"] for image in part["images"]}
        assert part["categories"] == json.loads(Path(path).read_text())["categories"]
