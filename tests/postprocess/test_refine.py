import numpy as np
import pytest
import torch
from mmengine.model import BaseModule
from torch import nn

from aemm.models import Embedder
from aemm.ops.boxes import keypoint_box, person_square
from aemm.postprocess import SinglePersonRefiner
from aemm.registry import MODELS
from aemm.structures import Batch, Instances

SKELETON = dict(keypoints=["top", "left_side", "right_side"], sigmas=[0.05] * 3)
# red, green and blue dots are the three keypoints, so that a backbone can see them
POINTS = np.array([[150.0, 60.0], [110.0, 150.0], [190.0, 155.0]], np.float32)


@MODELS.register_module()
class DotBackbone(BaseModule):
    """Finds coloured dots: the mean brightness of each colour over a cell of stride 4."""

    def __init__(self, gain: float = 2.0):
        super().__init__()
        self.channels, self.strides, self.gain = (3,), (4,), nn.Parameter(torch.tensor(gain))
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, image):
        self.shapes.append(tuple(image.shape))
        return (self.gain * torch.nn.functional.avg_pool2d(image, 4),)


def refiner(gain: float = 2.0, flip: bool = False, **settings) -> SinglePersonRefiner:
    model = dict(
        type="Embedder",
        backbone=dict(type="DotBackbone", gain=gain),
        head=dict(type="AEHead", num_heatmaps=3, tag_dims=0, project=False),
        decoder=dict(type="SinglePersonDecoder", skeleton=SKELETON, subpixel="gaussian"),
        tta=dict(type="TestTimeAugmentation", flip=flip),
    )
    return SinglePersonRefiner(model, device="cpu", **settings)


def picture() -> np.ndarray:
    y, x = np.mgrid[:240, :320] + 0.5
    dots = [np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * 5.0**2)) for a, b in POINTS]
    return (255 * np.stack(dots, -1)).astype(np.uint8)


def people(*keypoints: np.ndarray, scores: np.ndarray | None = None) -> Instances:
    points = np.stack(keypoints).astype(np.float32)
    confidence = np.full(points.shape[:2], 0.5, np.float32) if scores is None else scores.astype(np.float32)
    return Instances(7, (240, 320), confidence.mean(1), None, points, confidence)


def test_keypoints_move_to_where_the_network_sees_them():
    found = people(POINTS + np.array([[4, 3], [-5, 2], [3, -4]]))
    better = refiner()(found, picture())
    np.testing.assert_allclose(better.keypoints[0], POINTS, atol=0.5)
    assert (better.keypoint_scores > 0.5).all()
    np.testing.assert_array_equal(better.scores, found.scores)


def test_an_absent_keypoint_is_found():
    scores = np.array([[0.5, 0.0, 0.5]])
    better = refiner()(people(np.where(scores[..., None] > 0, POINTS, 0)[0], scores=scores), picture())
    np.testing.assert_allclose(better.keypoints[0], POINTS, atol=0.5)


def test_an_unsure_network_replaces_only_what_was_absent():
    scores = np.array([[0.5, 0.0, 0.5]])
    old = np.where(scores[..., None] > 0, POINTS - 3, 0)[0]
    better = refiner(gain=0.1)(people(old, scores=scores), picture())
    assert better.keypoint_scores[0, 1] < 0.15
    np.testing.assert_allclose(better.keypoints[0, 1], POINTS[1], atol=0.5)
    np.testing.assert_array_equal(better.keypoints[0, [0, 2]], old[[0, 2]])


@pytest.mark.parametrize(("near", "moves"), [(12.0, True), (8.0, False)])
def test_a_person_with_whom_the_network_hardly_agrees_stays(near, moves):
    old = POINTS + np.array([[10, 0], [0, 40], [-40, 0]])  # only the first is within reach
    better = refiner(near=near)(people(old), picture())
    assert np.allclose(better.keypoints[0], POINTS, atol=0.6) == moves
    if not moves:
        np.testing.assert_array_equal(better.keypoints[0], old.astype(np.float32))


@pytest.mark.parametrize("sizes", [(512,), (512, 400, 300), (400, 300)])
def test_every_size_is_shown_to_the_network_with_all_people_in_one_batch(sizes):
    refine = refiner(sizes=sizes)
    better = refine(people(POINTS + 2, POINTS - 2), picture())
    np.testing.assert_allclose(better.keypoints, np.stack([POINTS, POINTS]), atol=0.6)
    sides = {512: 512, 400: 448, 300: 320}  # padded to multiples of 64
    assert refine.model.backbone.shapes == [(2, 3, sides[size], sides[size]) for size in sizes]


def test_a_mirrored_second_look_agrees():
    refine = refiner(flip=True)
    refine.model.backbone.forward = lambda image: (_mirror_aware(image),)
    better = refine(people(POINTS + 3), picture())
    np.testing.assert_allclose(better.keypoints[0], POINTS, atol=0.6)


def _mirror_aware(image):
    """Left and right swap when the green dot lies right of the blue one, as for a network that knows sides."""
    maps = 2 * torch.nn.functional.avg_pool2d(image, 4)
    columns = maps.amax(2).argmax(-1)
    return maps[:, [0, 2, 1]] if columns[0, 1] > columns[0, 2] else maps


def test_nobody_and_people_without_keypoints_are_left_alone():
    refine = refiner()
    nobody = people(POINTS)[np.zeros(0, int)]
    assert refine(nobody, picture()) is nobody
    blank = people(POINTS * 0, scores=np.zeros((1, 3)))
    assert refine(blank, picture()) is blank
    assert refine.model.backbone.shapes == []


def test_the_square_is_13_times_the_box_and_at_least_60_px_before_that():
    assert person_square(keypoint_box(POINTS, np.ones(3, bool))) == ((150.0, 107.5), pytest.approx(1.3 * 95))
    assert person_square(np.array([5.0, 5, 15, 25]))[1] == pytest.approx(78)


def test_a_size_that_cells_cannot_divide_is_refused():
    with pytest.raises(ValueError, match="stride"):
        refiner(sizes=(302,))(people(POINTS), picture())


def test_weights_of_another_network_are_refused_and_read_only_when_needed(tmp_path):
    torch.save(dict(state_dict={"backbone.other": torch.zeros(1)}), tmp_path / "other.pth")
    refine = refiner(checkpoint=str(tmp_path / "other.pth"))
    with pytest.raises(ValueError, match="made by another model"):
        refine(people(POINTS), picture())


@pytest.mark.parametrize("named", ["best_coco_AP_epoch_3.pth", ""])
def test_weights_are_loaded_from_a_file_or_the_best_of_a_work_dir(tmp_path, named):
    state = refiner(gain=2.0).model.state_dict()
    torch.save(dict(state_dict=state), tmp_path / "best_coco_AP_epoch_3.pth")
    (tmp_path / "epoch_4.pth").touch()  # not read
    better = refiner(gain=0.0, checkpoint=str(tmp_path / named))(people(POINTS + 3), picture())
    np.testing.assert_allclose(better.keypoints[0], POINTS, atol=0.5)


class Shift:
    """A postprocessor for tests."""

    needs_image = True

    def __call__(self, found, image):
        return people(found.keypoints[0] + image.shape[0])


class Count:
    """One that looks at no image and remembers how many it saw."""

    needs_image = False

    def __init__(self):
        self.seen = 0

    def reset(self):
        self.seen = 0

    def __call__(self, found, image):
        self.seen += 1
        return found


def test_the_model_hands_originals_to_its_postprocessors_or_says_what_is_missing():
    model = refiner().model
    assert isinstance(model, Embedder)
    model.postprocessors = [Shift()]
    batch = Batch([torch.zeros(1, 3, 64, 64)], [1], [(64, 64)], np.eye(3)[None])
    with pytest.raises(ValueError, match=r"Shift needs the original images.*KeepOriginal"):
        model(batch, mode="predict")
    batch.originals = [np.zeros((240, 320, 3), np.uint8)]
    (found,) = model(batch, mode="predict")
    assert found.keypoints.min() >= 240


def test_postprocessors_that_need_no_image_run_without_and_forget_when_told():
    model = refiner().model
    model.postprocessors = [Count()]
    batch = Batch([torch.zeros(1, 3, 64, 64)], [1], [(64, 64)], np.eye(3)[None])
    model.predict(batch)
    model.predict(batch)
    assert model.postprocessors[0].seen == 2
    model.reset()
    assert model.postprocessors[0].seen == 0


def test_a_crowd_is_looked_at_in_parts_of_bounded_size():
    crowd = people(*(POINTS + shift for shift in np.random.default_rng(0).uniform(-6, 6, (7, 3, 2))))
    whole, parts = refiner(), refiner(max_batch=3)
    better, same = whole(crowd, picture()), parts(crowd, picture())
    np.testing.assert_allclose(same.keypoints, better.keypoints, atol=1e-3)
    np.testing.assert_allclose(same.keypoint_scores, better.keypoint_scores, atol=1e-6)
    assert {shape[0] for shape in whole.model.backbone.shapes} == {7}
    assert [shape[0] for shape in parts.model.backbone.shapes[::3]] == [3, 3, 1]
    with pytest.raises(ValueError, match="max_batch"):
        refiner(max_batch=0)
