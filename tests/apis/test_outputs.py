import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from aemm.apis import Account, open_results
from aemm.apis.outputs import Pictures
from aemm.datasets import CocoPoseDataset
from aemm.formats import load_image, open_frames
from aemm.formats.kinds import kind_of_file
from aemm.ops.masks import decode_masks, encode_masks
from aemm.records import DatasetInfo, Instances
from aemm.skeletons import SKELETONS
from tests.drawn_files import frame, number_of, scene

INFO = DatasetInfo("predictions", SKELETONS["coco"], ("person",), (1,))


def _people(image_id, count=2):
    rng = np.random.default_rng(count)
    scores = rng.uniform(0.2, 1, (count, 17))
    scores[:, 3] = 0
    points = rng.uniform(5, 40, (count, 17, 2)) * (scores > 0)[..., None]
    return Instances(image_id, (48, 64), scores.mean(1), keypoints=points, keypoint_scores=scores)


def test_one_json_object_takes_its_place_when_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "found.json"
    results = open_results(path, INFO)
    for name in ("a.png", "b\udce9.png", 3):
        results.write(_people(name))
        assert not path.exists()
    account = Account(found=5)
    account.leave_out("c.png", OSError("it is empty"))
    account.miss_frames("clip.avi", "9 of 10 frames were read")
    account.other.append("notes.txt")
    results.close(account, complete=True)
    data = json.loads(path.read_text())
    assert [row["image_id"] for row in data["images"]] == ["a.png", "b\udce9.png", 3]
    assert data["skeleton"]["name"] == "coco"
    assert data["complete"]
    assert [row["input"] for row in data["left_out"]] == ["c.png", "clip.avi", "notes.txt"]
    assert len(data["images"][0]["instances"]) == 2
    assert [file.name for file in path.parent.iterdir()] == ["found.json"]


def test_what_was_found_before_a_run_is_killed_is_in_the_part(tmp_path):
    results = open_results(tmp_path / "found.json", INFO)
    for n in range(3):
        results.write(_people(n))
    lines = (tmp_path / "found.json.part").read_text().splitlines()[1:]
    assert [json.loads(line.rstrip(","))["image_id"] for line in lines] == [0, 1, 2]


def test_lines_are_there_as_soon_as_they_are_written(tmp_path):
    results = open_results(tmp_path / "found.jsonl", INFO)
    for n in range(3):
        results.write(_people(n))
        lines = (tmp_path / "found.jsonl").read_text().splitlines()
        assert [json.loads(line)["image_id"] for line in lines] == list(range(n + 1))
    results.close(Account(), complete=True)


def test_a_coco_file_is_read_again_as_a_data_set(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        cv2.imwrite(str(tmp_path / name), scene())
    results = open_results(tmp_path / "found.coco.json", INFO)
    found = [_people("a.png", 2), _people("b.png", 0), _people("c.png", 5)]
    for one in found:
        results.write(one)
    results.close(Account(), complete=True)
    dataset = CocoPoseDataset("found.coco.json", "", str(tmp_path))
    assert [len(dataset[n].keypoints) for n in range(len(dataset))] == [2, 5]
    present = found[2].keypoint_scores > 0
    np.testing.assert_allclose(dataset[1].keypoints[present], found[2].keypoints[present], atol=1e-3)
    np.testing.assert_array_equal(dataset[1].visible > 0, present)
    rows = json.loads((tmp_path / "found.coco.json").read_text())["annotations"]
    assert [row["score"] for row in rows] == [*found[0].scores.tolist(), *found[2].scores.tolist()]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.coco.json", "a.npz"])
def test_results_for_which_there_is_no_room_name_their_file(tmp_path, name):
    resource = pytest.importorskip("resource", reason="this system limits no files")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    results = open_results(tmp_path / name, INFO)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, limits[1]))
    try:
        with pytest.raises(OSError, match=rf"File too large: .*{name}'"):  # noqa: PT012 - some write at the end alone
            for n in range(50):
                results.write(_people(n, 2))
            results.close(Account(), complete=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_masks_are_written_as_a_coco_file_too(tmp_path):
    area = np.zeros((1, 48, 64), bool)
    area[:, 10:20, 10:30] = True
    info = DatasetInfo("predictions", None, ("class 0", "class 1"), (1, 2))
    results = open_results(tmp_path / "found.coco.json", info)
    results.write(Instances("a.png", (48, 64), np.ones(1), masks=encode_masks(area), labels=np.ones(1, np.int64)))
    results.close(Account(), complete=True)
    (row,) = json.loads((tmp_path / "found.coco.json").read_text())["annotations"]
    assert (row["category_id"], row["area"], row["bbox"]) == (2, 200, [10, 10, 20, 10])


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_numbers_that_are_none_are_refused(tmp_path, name):
    broken = _people("a.png")
    broken.scores[0] = np.nan
    with pytest.raises(ValueError, match=r"image a\.png: what was found is not finite"):
        open_results(tmp_path / name, INFO).write(broken)


def _moving(name, rate=12.0):
    return SimpleNamespace(name=name, rate=rate)


def _draw(pictures, source, numbers, size=(60, 80)):
    for number in numbers:
        pictures.write(source, f"{source.name}#{number:06d}", frame(number, size), number)


@pytest.mark.parametrize("size", [(60, 80), (61, 81), (97, 131)])
def test_a_video_comes_out_as_a_video_of_the_same_rate(tmp_path, size):
    pictures, source = Pictures(tmp_path / "out"), _moving("clip.avi")
    _draw(pictures, source, range(20), size)
    pictures.close()
    (path,) = (tmp_path / "out").iterdir()
    frames = open_frames(str(path))
    assert path.name == "clip.avi.mp4"
    assert frames.rate == 12
    shown = [(number, number_of(image)) for number, image in frames]
    assert shown == [(n, n) for n in range(20)]


def test_frames_that_are_missing_do_not_shift_the_time(tmp_path):
    pictures, source = Pictures(tmp_path), _moving("clip.avi")
    _draw(pictures, source, [2, 3, 6, 7])
    pictures.close()
    shown = [number_of(image) for _, image in open_frames(str(next(tmp_path.iterdir())))]
    assert shown == [0, 0, 2, 3, 3, 3, 6, 7]


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_pictures_are_of_the_kind_that_is_asked_for(tmp_path, kind):
    pictures, source = Pictures(tmp_path, kind), SimpleNamespace(name="a.bmp", rate=None)
    pictures.write(source, "a.bmp", scene())
    (path,) = tmp_path.iterdir()
    assert path.name == f"a.bmp.{kind}"
    assert kind_of_file(str(path)).name == {"png": "PNG", "jpg": "JPEG"}[kind]
    assert np.abs(load_image(str(path)).astype(int) - scene()).mean() < 3
    with pytest.raises(ValueError, match="pictures_as must be one of"):
        Pictures(tmp_path, "gif")


def test_each_source_has_its_own_video_and_images_their_pictures(tmp_path):
    pictures, image = Pictures(tmp_path), SimpleNamespace(name="a b.png", rate=None)
    _draw(pictures, _moving("1/clip.avi"), range(3))
    pictures.write(image, "a b.png", scene())
    _draw(pictures, _moving("1_clip.avi"), range(4))
    pictures.write(image, "a_b.png", scene())
    pictures.close()
    names = sorted(path.suffix for path in tmp_path.iterdir())
    assert names == [".mp4", ".mp4", ".png", ".png"]
    assert sorted(open_frames(str(path)).expected for path in tmp_path.glob("*.mp4")) == [3, 4]


def test_a_video_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    pictures, source = Pictures(tmp_path / "out"), _moving("clip.avi")
    (tmp_path / "out" / "clip.avi.mp4").mkdir()
    with pytest.raises(OSError, match=r"cannot write a video to .*clip\.avi\.mp4"):
        _draw(pictures, source, range(2))
    _draw(pictures, _moving("other.avi"), range(5))
    monkeypatch.setattr(pictures.video, "number", 9)
    with pytest.raises(OSError, match=r"other\.avi\.mp4 was not written whole"):
        pictures.close()


def test_arrays_hold_a_row_for_every_instance(tmp_path):
    path = tmp_path / "deep" / "found.npz"
    results = open_results(path, INFO)
    found = [_people("a.png", 2), _people("b.png", 0), _people("c\udce9.png", 3)]
    for one in found:
        results.write(one)
    results.close(Account(), complete=False)
    with np.load(path) as arrays:
        assert arrays["image_ids"].tolist() == ["a.png", "b.png", "c\\udce9.png"]
        assert arrays["image_sizes"].tolist() == [[48, 64]] * 3
        assert arrays["images"].tolist() == [0, 0, 2, 2, 2]
        assert not arrays["complete"]
        np.testing.assert_array_equal(arrays["keypoints"], np.concatenate([one.keypoints for one in found]))
        np.testing.assert_array_equal(arrays["scores"], np.concatenate([one.scores for one in found]))
    assert [file.name for file in path.parent.iterdir()] == ["found.npz"]


def test_masks_are_arrays_of_text(tmp_path):
    area = np.zeros((1, 48, 64), bool)
    area[:, 10:20, 10:30] = True
    results = open_results(tmp_path / "found.npz", DatasetInfo("predictions", None, ("class 0",), (1,)))
    for name, count in (("a.png", 0), ("b.png", 1)):
        masks, labels = encode_masks(area[:count]), np.zeros(count, np.int64)
        results.write(Instances(name, (48, 64), np.ones(count), masks=masks, labels=labels))
    results.close(Account(), complete=True)
    with np.load(tmp_path / "found.npz") as arrays:
        counts, size = arrays["masks"].tolist(), arrays["image_sizes"][arrays["images"][0]].tolist()
    np.testing.assert_array_equal(decode_masks([dict(size=size, counts=counts[0])], (48, 64)), area)
