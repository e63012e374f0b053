import json

import cv2
import numpy as np
import pytest
import torch

from aemm.apis import Inferencer, read_inputs, to_plain
from aemm.engine import CheckpointError, NonFiniteError, Thinning, load_config
from aemm.formats import open_frames
from aemm.ops.masks import encode_masks
from aemm.postprocess import MinScore, OksNms
from aemm.registry import MODELS, TRANSFORMS
from aemm.structures import Instances
from tests.end_to_end import ROOT, check, run_tool

SMALL = """
_base_ = ["{root}/configs/synthetic/mpii_hourglass_tiny_128.py"]
model = dict(
    backbone=dict(stacks=1, width=8, growth=4, depth=2, stem=(4, 8, 8)),
    decoder=dict(threshold=0.01, max_peaks=2, tag_threshold=100.0),
)
"""
MASKS = """
_base_ = ["{root}/configs/synthetic/instance_hourglass_tiny_128.py"]
model = dict(
    backbone=dict(stacks=1, width=8, growth=4, depth=2, stem=(4, 8, 8)), decoder=dict(min_area=1)
)
test_dataloader = dict(dataset=dict(pipeline=[dict(type="ResizeToFit", size=64, fit="long", square=True)]))
"""


def noise(seed=0, size=(90, 150)):
    return np.random.default_rng(seed).integers(0, 255, (*size, 3)).astype(np.uint8)


def write_recipe(folder, text):
    """A small config, and weights for it that find something everywhere."""
    (folder / "small.py").write_text(text.format(root=ROOT))
    torch.manual_seed(0)
    model = MODELS.build(load_config(str(folder / "small.py")).model)
    out = model.backbone.outs[0].conv
    torch.nn.init.normal_(out.weight.data[: model.head.num_heatmaps], std=0.3)
    out.bias.data[: model.head.num_heatmaps] = 1
    torch.save({"state_dict": model.state_dict()}, folder / "small.pth")
    return folder / "small.py", folder / "small.pth"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Config and checkpoint of a model that finds keypoints."""
    return write_recipe(tmp_path_factory.mktemp("recipe"), SMALL)


@pytest.fixture(scope="module")
def inferencer(recipe):
    return Inferencer(*recipe, device="cpu")


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for n, name in enumerate(("b.png", "a.PNG", "notes.txt")):
        if name.endswith("txt"):
            (folder / name).write_text("no picture")
        else:
            cv2.imwrite(str(folder / name), noise(n)[..., ::-1])
    return folder


def write_video(path, count=3):
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (150, 90))
    for n in range(count):
        video.write(np.full((90, 150, 3), (0, 0, 60 * (n + 1)), np.uint8))
    video.release()
    return path


def test_an_array_a_path_and_a_folder_give_the_same(inferencer, pictures):
    from_array = next(inferencer(noise(0)))
    from_path = next(inferencer(str(pictures / "b.png")))
    from_folder = list(inferencer(pictures))
    assert [found.image_id for found in from_folder] == [str(pictures / name) for name in ("a.PNG", "b.png")]
    assert from_array.image_id == 0
    assert len(from_array) > 0
    for found in (from_path, from_folder[1]):
        np.testing.assert_array_equal(found.keypoints, from_array.keypoints)
        np.testing.assert_array_equal(found.scores, from_array.scores)


def test_people_come_back_in_pixels_of_the_image_through_the_test_pipeline(inferencer):
    small, large = noise(0), cv2.resize(noise(0), (300, 180), interpolation=cv2.INTER_NEAREST)
    found, same = next(inferencer(small)), next(inferencer(large))
    assert found.image_size == (90, 150)
    assert same.image_size == (180, 300)
    assert found.keypoints.shape[1:] == (16, 2)
    assert found.keypoints[..., 0].max() > 100  # the network's input shows 150 px in 128


def test_predictions_do_not_depend_on_what_came_before(inferencer):
    alone = next(inferencer(noise(3)))
    last = list(inferencer([noise(1), noise(2), noise(3)]))[-1]
    assert last.image_id == 2
    np.testing.assert_array_equal(last.keypoints, alone.keypoints)


def test_a_video_gives_its_frames_in_order_and_in_rgb(tmp_path):
    video = write_video(tmp_path / "clip.avi")
    frames = list(read_inputs(video))
    assert [key for key, _ in frames] == [f"{video}#00000{n}" for n in range(3)]
    reds = [frame[..., 0].mean() for _, frame in frames]
    assert reds == sorted(reds)
    assert max(frame[..., 2].mean() for _, frame in frames) < 20


def test_gifs_are_read_whole(shared, inferencer):
    path = sorted((shared / "data" / "videos").glob("*.gif"))[0]
    frames = [frame for _, frame in read_inputs(path)]
    assert len(frames) > 30
    assert any((frames[0] != frame).any() for frame in frames[1:])
    assert next(inferencer(path)).image_size == frames[0].shape[:2]


def test_images_are_read_one_by_one(inferencer, pictures):
    found = inferencer([pictures / "b.png", pictures / "missing.png"])
    assert next(found).image_size == (90, 150)
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        next(found)


def test_files_that_are_no_pictures_are_named(tmp_path, pictures):
    with pytest.raises(ValueError, match=r"notes\.txt is no image or video"):
        list(read_inputs(pictures / "notes.txt"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no image or video"):
        list(read_inputs(tmp_path / "empty"))
    (tmp_path / "broken.gif").write_bytes(b"GIF89a but not really")
    with pytest.raises(ValueError, match=r"broken\.gif holds no frame"):
        list(read_inputs(tmp_path / "broken.gif"))


def test_pictures_of_what_is_found_are_drawn(inferencer, pictures, tmp_path):
    list(inferencer(pictures, out_dir=tmp_path / "out"))
    drawn = sorted((tmp_path / "out").iterdir())
    assert len(drawn) == 2
    assert not any(path.name.startswith(".") for path in drawn)
    picture = cv2.imread(str(next(path for path in drawn if "b.png" in path.name)))[..., ::-1]
    assert picture.shape == (90, 150, 3)
    assert 0 < (picture != noise(0)).any(2).mean() < 1


def test_low_keypoints_are_not_drawn(inferencer):
    found = Instances(
        0, (90, 150), np.ones(1), keypoints=np.full((1, 16, 2), 40.0), keypoint_scores=np.full((1, 16), 0.2)
    )
    assert (inferencer.draw(noise(0), found, threshold=0.1) != noise(0)).any()
    np.testing.assert_array_equal(inferencer.draw(noise(0), found, threshold=0.3), noise(0))


def test_masks_are_predicted_and_drawn(tmp_path):
    inferencer = Inferencer(*write_recipe(tmp_path, MASKS), device="cpu")
    assert inferencer.skeleton is None
    found = next(inferencer(noise(0)))
    assert found.image_size == (90, 150)
    assert found.masks
    assert found.masks[0]["size"] == [90, 150]
    area = np.zeros((1, 90, 150), bool)
    area[:, 20:40, 20:60] = True
    one = Instances(0, (90, 150), np.ones(1), masks=encode_masks(area), labels=np.zeros(1, np.int64))
    changed = (inferencer.draw(noise(0), one) != noise(0)).any(2)
    assert changed[25:35, 25:55].mean() > 0.9
    assert not changed[50:].any()
    row = to_plain(one)["instances"][0]
    assert row["label"] == 0
    assert json.loads(json.dumps(row))["mask"]["size"] == [90, 150]


def test_what_corrects_people_sees_the_whole_image_and_begins_anew_with_every_call(recipe):
    inferencer = Inferencer(*recipe, device="cpu")
    seen = []

    class Watch:
        needs_image = True

        def reset(self):
            seen.clear()

        def __call__(self, found, image):
            seen.append(image)
            return found

    inferencer.model.postprocessors = [Watch()]
    list(inferencer([noise(5), noise(6)]))
    assert len(seen) == 2
    next(inferencer(noise(4)))
    np.testing.assert_array_equal(seen, [noise(4)])


def test_a_checkpoint_of_another_model_is_refused(recipe, tmp_path):
    torch.save({"state_dict": {"backbone.stem.0.conv.weight": torch.zeros(1)}}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="another model"):
        Inferencer(recipe[0], tmp_path / "other.pth")


def test_the_tool_draws_and_writes_json(recipe, inferencer, pictures, tmp_path):
    out, rows = tmp_path / "out", tmp_path / "found.json"
    video = write_video(tmp_path / "clip.avi")
    output = check(run_tool("tools/predict.py", *recipe, pictures, video, "--out-dir", out, "--json", rows))
    assert "instances in 5 images" in output
    assert len(list(out.glob("*.png"))) == 2
    assert open_frames(str(next(out.glob("*.mp4")))).expected == 3
    written = json.loads(rows.read_text())
    assert written["skeleton"]["name"] == "mpii"
    expected = list(inferencer(pictures))
    for row, found in zip(written["images"], expected, strict=False):
        assert row["image_id"] == found.image_id
        assert (row["height"], row["width"]) == (90, 150)
        keypoints = np.array([one["keypoints"] for one in row["instances"]])
        np.testing.assert_allclose(keypoints[..., :2], found.keypoints, atol=1e-3)
        np.testing.assert_allclose(keypoints[..., 2], found.keypoint_scores, atol=1e-3)


def test_the_tool_wants_to_know_what_for(recipe, pictures):
    result = run_tool("tools/predict.py", *recipe, pictures)
    assert result.returncode == 2
    assert "--out-dir, --json or both" in result.stderr
    assert "Traceback" not in result.stderr


def test_weights_that_are_not_finite_are_refused(recipe, tmp_path):
    config, checkpoint = recipe
    loaded = torch.load(checkpoint, weights_only=True)
    state = loaded.get("state_dict", loaded)
    next(iter(state.values())).view(-1)[0] = float("nan")
    torch.save({"state_dict": state}, tmp_path / "nan.pth")
    with pytest.raises(NonFiniteError, match=rf"1 of {len(state)} entries of .*nan\.pth hold NaN"):
        Inferencer(config, tmp_path / "nan.pth")


def test_images_of_one_size_form_a_batch_and_results_keep_the_order_of_the_inputs(recipe, monkeypatch):
    alone = Inferencer(*recipe, device="cpu")
    together = Inferencer(*recipe, device="cpu", batch_size=3)
    together.pipeline = alone.pipeline = [
        TRANSFORMS.build(dict(type="ResizeToFit", size=64, fit="short", multiple_of=64))
    ]
    images = [noise(n, ((64, 64), (64, 128))[n in (1, 4, 5)]) for n in range(8)]
    sizes, detect = [], together.detect
    monkeypatch.setattr(together, "detect", lambda samples: sizes.append(len(samples)) or detect(samples))
    expected, found = list(alone(images)), list(together(images))
    assert sorted(sizes) == [2, 3, 3]
    assert [one.image_id for one in found] == list(range(8))
    for one, other in zip(expected, found, strict=True):
        assert one.image_size == other.image_size
        assert len(one) == len(other)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
        np.testing.assert_allclose(one.keypoints, other.keypoints, atol=1e-2)


def test_overlapped_work_finds_what_is_found_one_after_the_other(recipe, tmp_path):
    inputs = [write_video(tmp_path / "clip.avi", 12), noise(1), noise(2)]
    plain = list(Inferencer(*recipe, device="cpu", overlap=False)(inputs, tmp_path / "plain"))
    found = list(Inferencer(*recipe, device="cpu")(inputs, tmp_path / "overlapped"))
    for one, other in zip(plain, found, strict=True):
        assert one.image_id == other.image_id
        np.testing.assert_array_equal(one.keypoints, other.keypoints)
    for path in (tmp_path / "plain").iterdir():
        assert path.read_bytes() == (tmp_path / "overlapped" / path.name).read_bytes()


def test_what_is_found_twice_and_hardly_found_is_left_out_unless_asked_for(recipe):
    image = noise(3)
    everything = Inferencer(*recipe, device="cpu", thinning=None).predict(image)
    thinned = Inferencer(*recipe, device="cpu", thinning=Thinning("off", None, 0.0, 1.0)).predict(image)
    sure = everything.keypoint_scores >= 1
    assert 0 < sure.sum() < sure.size
    np.testing.assert_array_equal(thinned.keypoint_scores, np.where(sure, everything.keypoint_scores, 0))
    assert all(isinstance(step, OksNms | MinScore) for step in Inferencer(*recipe, device="cpu").model.postprocessors)


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True, "2", None])
def test_a_batch_holds_an_image(recipe, wrong):
    with pytest.raises(ValueError, match="batch_size must be at least 1 image"):
        Inferencer(*recipe, device="cpu", batch_size=wrong)
    assert Inferencer(*recipe, device="cpu", batch_size=np.int64(2)).batch_size == 2


@pytest.mark.parametrize(
    "wrong",
    [
        *({"scales": value} for value in (0.5, "12", [], [0], ["a"], [1, 1.0], [float("nan")])),
        *({name: "no"} for name in ("flip", "half", "compile", "fuse", "channels_last")),
        {"compile": {"bogus": 1}},
        {"thinning": "hard"},
        *({"device": value} for value in ("abacus", "cuda:99", "")),
    ],
)
def test_settings_that_cannot_be_are_named(recipe, wrong):
    with pytest.raises(ValueError, match=rf"^{next(iter(wrong))}\b"):
        Inferencer(*recipe, **{"device": "cpu", **wrong})


def test_scales_may_be_an_array(recipe):
    steps = Inferencer(*recipe, device="cpu", scales=np.array([1, 0.5], np.float32)).pipeline
    assert [step.scales for step in steps if hasattr(step, "scales")] == [(1.0, 0.5)]
