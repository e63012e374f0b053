import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
import warnings

import numpy as np
import pytest

from aemm.apis import Account, Inferencer, find_sources, predict_all
from aemm.formats import open_frames
from tests.apis.test_inferencer import SMALL, write_recipe
from tests.apis.test_inputs import trouble
from tests.drawn_files import encoded, frame, scene, write_video
from tests.end_to_end import ROOT, run_tool


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return write_recipe(tmp_path_factory.mktemp("recipe"), SMALL)


@pytest.fixture(scope="module")
def inferencer(recipe):
    return Inferencer(*recipe, device="cpu")


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for n, name in enumerate(("a b.png", "a_b.png", "a(b.png", "A_b.png")):
        (folder / name).write_bytes(encoded(scene(seed=n), "PNG"))
    return folder


def _read(path):
    data = json.loads(path.read_text())
    return [row["image_id"] for row in data["images"]], data


def test_there_are_as_many_pictures_and_rows_as_images(inferencer, photos, tmp_path):
    account = predict_all(inferencer, photos, tmp_path / "out", [tmp_path / "f.json", tmp_path / "f.jsonl"])
    assert account.complete
    assert len(list((tmp_path / "out").iterdir())) == account.images == 4
    ids, data = _read(tmp_path / "f.json")
    assert ids == sorted(str(path) for path in photos.iterdir())
    lines = [json.loads(line) for line in (tmp_path / "f.jsonl").read_text().splitlines()]
    assert lines == data["images"]
    assert account.instances == sum(len(row["instances"]) for row in lines)


def test_a_folder_of_trouble_gives_all_that_is_good_and_lists_the_rest(inferencer, tmp_path):
    images, bad, other, hidden = trouble(tmp_path / "in")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        account = predict_all(inferencer, tmp_path / "in", tmp_path / "out", [tmp_path / "f.json"])
    ids, data = _read(tmp_path / "f.json")
    assert len(ids) == len(list((tmp_path / "out").iterdir())) == images
    assert len(data["left_out"]) == bad + other
    assert images + bad + other + hidden == 200
    assert data["complete"]
    assert not account.complete


def test_nothing_that_can_be_read_is_a_fault(inferencer, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"no image could be read\n.*\n1 left out:\n.*a\.png is empty"):
        predict_all(inferencer, tmp_path / "a.png", results=[tmp_path / "f.json"])


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_was_found_before_an_interruption_is_kept(inferencer, tmp_path, monkeypatch, error):
    clip, count = write_video(tmp_path / "clip.avi"), 0
    detect = inferencer.detect

    def stopping(samples):
        nonlocal count
        count += 1
        if count > 7:
            raise error
        return detect(samples)

    monkeypatch.setattr(inferencer, "detect", stopping)
    account = Account()
    with pytest.raises(error):
        predict_all(
            inferencer, clip, tmp_path / "out", [tmp_path / "f.json", tmp_path / "f.coco.json"], account=account
        )
    ids, data = _read(tmp_path / "f.json")
    assert ids == [f"{clip}#{n:06d}" for n in range(7)]
    assert not data["complete"]
    assert len(json.loads((tmp_path / "f.coco.json").read_text())["images"]) == 7
    assert open_frames(str(next((tmp_path / "out").iterdir()))).expected == 7
    assert account.instances == sum(len(row["instances"]) for row in data["images"])


def test_a_reader_of_people_may_stop_at_any_time(inferencer, tmp_path):
    people = inferencer(write_video(tmp_path / "clip.avi"), tmp_path / "out")
    for _ in range(3):
        next(people)
    people.close()
    assert open_frames(str(next((tmp_path / "out").iterdir()))).expected == 3


def test_memory_does_not_grow_with_the_frames(inferencer, tmp_path, monkeypatch):
    frames = [frame(n % 30) for n in range(400)]
    people = inferencer.predict(frames[0], "x")
    monkeypatch.setattr(inferencer, "detect", lambda samples: [people])
    sizes = []

    def looking():
        for image in frames:
            time.sleep(0.003)  # so that whoever writes keeps up, and few images are under way
            sizes.append(tracemalloc.get_traced_memory()[0])
            yield image

    tracemalloc.start()
    predict_all(inferencer, looking(), results=[tmp_path / "f.json", tmp_path / "f.jsonl"])
    tracemalloc.stop()
    # how many images are under way differs from one moment to the next
    assert min(sizes[-50:]) - min(sizes[50:100]) < 100_000


def test_the_command_says_what_was_left_out_and_ends_with_three(recipe, photos, tmp_path):
    (photos / "z.png").write_bytes(b"")
    result = run_tool("tools/predict.py", *recipe, photos, "--json", tmp_path / "f.json")
    assert result.returncode == 3
    assert "instances in 4 images, from 4 of 5 inputs" in result.stdout
    assert "z.png is empty" in result.stdout
    assert "on_unreadable" not in result.stdout + result.stderr
    assert len(_read(tmp_path / "f.json")[0]) == 4


def test_the_command_keeps_what_it_found_when_it_is_interrupted(recipe, tmp_path):
    clip = write_video(tmp_path / "clip.avi", 30)
    inputs = [str(clip)] + [str(write_video(tmp_path / f"clip{n}.avi", 30)) for n in range(40)]
    lines = tmp_path / "f.jsonl"
    command = [sys.executable, "tools/predict.py", *map(str, recipe), *inputs, "--json", str(lines)]
    process = subprocess.Popen(
        [*command, "--out-dir", str(tmp_path / "out")],
        cwd=ROOT,
        env=os.environ | dict(OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite in the background ignores it
    )
    for _ in range(600):
        if lines.exists() and lines.stat().st_size > 10_000:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert len(rows) > 5
    assert f"in {len(rows)} images" in output
    assert "Traceback" not in errors


def test_scores_of_a_picture_do_not_depend_on_its_file(inferencer, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(scene(), "PNG"))
    (tmp_path / "b.tif").write_bytes(encoded(scene(), "TIFF"))
    first, second = inferencer([tmp_path / "a.png", tmp_path / "b.tif"])
    np.testing.assert_array_equal(first.keypoints, second.keypoints)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_trouble_is_counted_the_same_in_batches_and_without_overlap(recipe, tmp_path, batch_size):
    images, bad, other, _ = trouble(tmp_path / "in")
    inferencer = Inferencer(*recipe, device="cpu", batch_size=batch_size, overlap=batch_size > 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        account = predict_all(inferencer, tmp_path / "in", results=[tmp_path / "f.jsonl"])
    ids = [json.loads(line)["image_id"] for line in (tmp_path / "f.jsonl").read_text().splitlines()]
    assert (account.images, len(account.left_out) + len(account.partial), len(account.other)) == (images, bad, other)
    assert account.found == account.read + len(account.left_out) + len(account.other)
    assert len(ids) == images
    assert ids == [name for source in find_sources(tmp_path / "in", Account()) for name, _ in source]


@pytest.mark.slow
def test_memory_stays_flat_over_two_thousand_frames(recipe, tmp_path):
    inferencer = Inferencer(*recipe, device="cpu", batch_size=4)
    short, sizes = write_video(tmp_path / "clip.avi", 20, size=(240, 320)), []
    clips = [tmp_path / f"{n}.avi" for n in range(100)]
    for clip in clips:
        clip.symlink_to(short)

    def look(account):
        if account.images % 100 == 0:
            with open("/proc/self/statm") as file:
                sizes.append(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20)

    account = predict_all(inferencer, clips, tmp_path / "out", [tmp_path / "f.jsonl"], tell=look)
    assert account.images == 2000
    print("MiB:", [round(size) for size in sizes])
    assert max(sizes[10:]) - sizes[4] < 20
