import numpy as np
import pytest

from aemm.datasets import collate
from aemm.datasets.transforms import KeepOriginal, ResizeToFit
from aemm.structures import Sample


def sample(height: int, width: int) -> Sample:
    return Sample(np.zeros((height, width, 3), np.uint8), 1, (height, width))


def sizes(resized: Sample) -> list[tuple[int, int]]:
    return [image.shape[:2] for image in (resized.image, *resized.views)]


@pytest.mark.parametrize(
    ("scales", "expected"),
    [((1,), [512]), ((2, 1, 0.5), [512, 256, 1024]), ((2, 1.8, 1.3, 0.7), [704, 384, 960, 1024])],
)
def test_the_authors_squares_are_multiples_of_64(scales, expected):
    resized = ResizeToFit(512, square=True, scales=scales)(sample(427, 640))
    assert sorted(sizes(resized)) == sorted((side, side) for side in expected)


@pytest.mark.parametrize(
    ("image", "scales", "expected"),
    [
        ((427, 640), (1,), [(512, 768)]),
        ((640, 427), (1,), [(768, 512)]),
        ((427, 640), (0.5, 1, 2), [(512, 768), (256, 384), (1024, 1536)]),
        ((480, 640), (0.5, 1, 2), [(512, 768), (256, 384), (1024, 1536)]),
        ((480, 640), (0.7, 1), [(548, 731), (383, 512)]),  # 384 * 0.7 / 0.7 is a little less than 384
    ],
)
def test_higherhrnets_sizes_follow_from_the_smallest_scale(image, scales, expected):
    resized = ResizeToFit(512, fit="short", scales=scales, sizes="smallest", center="whole")(sample(*image))
    assert sizes(resized) == expected


@pytest.mark.parametrize("scales", [(2, 1, 0.5), (2, 0.5), (1.5,), (1.3, 0.7)])
@pytest.mark.parametrize("image", [(427, 640), (333, 500), (640, 427)])
@pytest.mark.parametrize("fit", ["long", "short"])
def test_every_view_is_a_multiple_of_64_and_the_base_holds_the_whole_image(image, fit, scales):
    resized = ResizeToFit(512, fit=fit, scales=scales)(sample(*image))
    assert all(side % 64 == 0 for size in sizes(resized) for side in size)
    height, width = image
    x, y = resized.warp[:2, :2].diagonal() * (width, height)
    assert x <= resized.image.shape[1] + 1
    assert y <= resized.image.shape[0] + 1
    assert resized.warp[0, 0] == pytest.approx(resized.warp[1, 1])  # the base is not stretched


@pytest.mark.parametrize("convention", ["continuous", "udp"])
def test_an_image_may_start_at_the_corner_of_every_view(convention):
    resize = ResizeToFit(512, fit="short", scales=(2, 1), sizes="smallest", center="corner", convention=convention)
    image = np.zeros((300, 401, 3), np.uint8)
    image[0, 0] = 255
    resized = resize(Sample(image, 1, (300, 401)))
    assert resized.warp[:2, 2].tolist() == [0, 0]
    assert sizes(resized) == [(512, 704), (1024, 1408)]
    for view in (resized.image, *resized.views):
        assert view[0, 0].all()  # the first pixel
        assert not view[:, -5:].any()  # padded at the right alone


def test_the_scale_nearest_1_comes_first():
    assert ResizeToFit(512, scales=(2, 0.5, 1.25)).scales == (1.25, 0.5, 2.0)
    assert ResizeToFit(512, scales=(2, 1, 0.5)).scales == (1.0, 0.5, 2.0)


def test_views_travel_into_the_batch():
    resize = ResizeToFit(128, square=True, scales=(2, 1))
    batch = collate([resize(sample(40, 60)), resize(sample(60, 40))])
    assert [tuple(image.shape) for image in batch.images] == [(2, 3, 128, 128), (2, 3, 256, 256)]
    assert batch.scales == (1.0, 2.0)
    assert batch.originals == []


def test_originals_are_kept_only_where_asked_for():
    pair = [ResizeToFit(64, square=True)(KeepOriginal()(sample(*size))) for size in ((40, 60), (60, 40))]
    assert [image.shape for image in collate(pair).originals] == [(40, 60, 3), (60, 40, 3)]


def test_an_original_cannot_be_kept_after_a_warp():
    with pytest.raises(ValueError, match="first in the pipeline"):
        KeepOriginal()(ResizeToFit(64)(sample(40, 60)))


@pytest.mark.parametrize("scales", [(), (0,), (1, 1), (-1, 2)])
def test_scales_must_be_positive_and_different(scales):
    with pytest.raises(ValueError, match="scales"):
        ResizeToFit(512, scales=scales)


@pytest.mark.parametrize("argument", ["fit", "sizes", "center"])
def test_an_unknown_choice_is_refused(argument):
    with pytest.raises(ValueError, match=argument):
        ResizeToFit(512, **{argument: "none"})
