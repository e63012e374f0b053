"""Image files that mean something else than they seem, read through the data sets."""

import json
import warnings

import cv2
import numpy as np
import pytest
from PIL import Image

from aemm.datasets import (
    AnnotationError,
    CocoInstanceDataset,
    CocoPoseDataset,
    SinglePersonDataset,
    UnreadableImageError,
    VocInstanceDataset,
)
from aemm.datasets.mpii import MpiiDataset, MpiiGroupDataset
from aemm.ops import pixels
from aemm.skeletons import SKELETONS
from tests.drawn_files import encoded, jpeg_with_preview, png, scene


@pytest.fixture(autouse=True)
def say_all_again(monkeypatch):
    monkeypatch.setattr(pixels, "_SAID", set())


def _write(folder, orientation, size=(32, 48), name="a.jpg", skeleton="coco", stated=None):
    """An image with a light spot at x = 10, y = 8 of its stored pixels, and a person whose first keypoint is there."""
    image = np.full((*size, 3), 40, np.uint8)
    image[6:11, 8:13] = 250
    (folder / "images").mkdir(exist_ok=True)
    if "/" not in name and "\\" not in name:
        (folder / "images" / name).write_bytes(jpeg_with_preview(image, orientation))
    names = list(SKELETONS[skeleton].keypoints)
    keypoints = [10.5, 8.5, 2] + [20, 20, 2] * 4 + [0] * (3 * len(names) - 15)
    height, width = stated or size
    person = dict(id=1, image_id=1, category_id=1, keypoints=keypoints, area=300.0, bbox=[5, 5, 20, 20], iscrowd=0)
    person |= dict(segmentation=[[5, 5, 25, 5, 25, 25, 5, 25]], scale=0.2, objpos=[15, 15], group_ids=[1])
    group = dict(id=1, image_id=1, rectangle=[10, 10, 20, 20], scale=0.2)
    data = dict(
        images=[dict(id=1, file_name=name, width=width, height=height)],
        annotations=[person],
        categories=[dict(id=1, name="person", keypoints=names, skeleton=[])],
        groups=[group],
    )
    (folder / "people.json").write_text(json.dumps(data))
    return dict(ann_file="people.json", img_dir="images", data_root=str(folder))


SETS = [
    (CocoPoseDataset, "coco"),
    (CocoInstanceDataset, "coco"),
    (SinglePersonDataset, "coco"),
    (MpiiDataset, "mpii"),
    (MpiiGroupDataset, "mpii"),
]


@pytest.mark.parametrize(("kind", "skeleton"), SETS)
def test_a_quarter_turn_with_raw_annotations_names_the_switch_and_the_switch_mends_it(tmp_path, kind, skeleton):
    settings = _write(tmp_path, 6, skeleton=skeleton)
    with pytest.raises(UnreadableImageError, match=r"EXIF orientation 6 .*exif='ignore'"):
        kind(**settings)[0]
    image = kind(**settings, exif="ignore").load(0).image
    assert image.max() > 200


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_keypoints_on_raw_pixels_lie_where_the_pixels_are(tmp_path, orientation):
    settings = _write(tmp_path, orientation)
    with pytest.warns(UserWarning, match=rf"EXIF orientation {orientation}.*fits either way"):
        assert CocoPoseDataset(**settings)[0].image[8, 10, 0] < 100
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sample = CocoPoseDataset(**settings, exif="ignore")[0]
    x, y = np.floor(sample.keypoints[0, 0]).astype(int)
    assert sample.image[y, x, 0] > 200


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_square_image_is_warned_of(tmp_path, orientation):
    settings = _write(tmp_path, orientation, (40, 40))
    with pytest.warns(UserWarning, match="fits either way"):
        CocoPoseDataset(**settings)[0]
    CocoPoseDataset(**settings, exif="apply")[0]


@pytest.mark.parametrize(("kind", "skeleton"), SETS)
@pytest.mark.parametrize("name", ["/etc/passwd", "../a.jpg", "..\\a.jpg", "C:\\a.jpg"])
def test_annotations_cannot_lead_out_of_the_folder_of_images(tmp_path, kind, skeleton, name):
    settings = _write(tmp_path, 1, name=name, skeleton=skeleton)
    with pytest.raises(AnnotationError, match=r"(is absolute|leads out).*allow_outside=True"):
        kind(**settings)


@pytest.mark.parametrize(("kind", "skeleton"), SETS)
def test_the_switch_lets_them_out(tmp_path, kind, skeleton):
    settings = _write(tmp_path, 1, name="../a.jpg", skeleton=skeleton)
    (tmp_path / "a.jpg").write_bytes(jpeg_with_preview(scene((32, 48))))
    assert kind(**settings, allow_outside=True).load(0).image.shape[2] == 3


@pytest.mark.parametrize("name", ["sub//a.jpg", "./sub/a.jpg", "sub/a.jpg"])
def test_names_with_folders_are_found_however_they_are_written(tmp_path, name):
    settings = _write(tmp_path, 1, name=name)
    (tmp_path / "images" / "sub").mkdir()
    (tmp_path / "images" / "sub" / "a.jpg").write_bytes(jpeg_with_preview(scene((32, 48))))
    assert CocoPoseDataset(**settings)[0].image.shape == (32, 48, 3)


def test_a_damaged_image_in_training_says_how_to_go_on_and_in_evaluation_it_does_not(tmp_path):
    settings = _write(tmp_path, 1)
    path = tmp_path / "images" / "a.jpg"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnreadableImageError, match=r"a\.jpg cannot be decoded.*on_unreadable='next'"):
        CocoPoseDataset(**settings)[0]
    with pytest.raises(UnreadableImageError, match=r"a\.jpg cannot be decoded") as caught:
        CocoPoseDataset(**settings, test_mode=True)[0]
    assert "on_unreadable" not in str(caught.value)


@pytest.fixture
def voc(tmp_path):
    for name in ("JPEGImages", "SegmentationObject", "SegmentationClass", "ImageSets/Segmentation"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "ImageSets/Segmentation/train.txt").write_text("a\n")
    cv2.imwrite(str(tmp_path / "JPEGImages/a.jpg"), scene((20, 40)))
    return tmp_path


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("color", ["grey", "palette"])
def test_no_instance_is_lost_in_masks_of_any_depth(voc, depth, color):
    count = min(2**depth - 1, 9)
    objects = (np.arange(40) // 4 * np.ones((20, 1), int)).clip(0, count)
    if color == "palette" and depth <= 8:
        image = Image.fromarray(objects.astype(np.uint8), mode="P")
        image.putpalette([v for n in range(2**depth) for v in (n * 37 % 256, n * 91 % 256, 7)])
        data = encoded(image, "PNG", bits=depth)
    else:
        data = png(objects, depth)
    (voc / "SegmentationObject/a.png").write_bytes(data)
    (voc / "SegmentationClass/a.png").write_bytes(png((objects > 0) * 15, 4))
    sample = VocInstanceDataset(str(voc))[0]
    np.testing.assert_array_equal(sample.masks, objects == np.arange(1, count + 1)[:, None, None])
    assert sample.labels.tolist() == [14] * count


def test_a_turned_voc_image_is_compared_with_its_mask(voc):
    objects = np.ones((20, 40), int)
    for folder in ("SegmentationObject", "SegmentationClass"):
        (voc / folder / "a.png").write_bytes(png(objects, 8))
    (voc / "JPEGImages/a.jpg").write_bytes(jpeg_with_preview(scene((20, 40)), 6))
    with pytest.raises(UnreadableImageError, match=r"the mask of a says 40x20.*exif='ignore'"):
        VocInstanceDataset(str(voc))[0]
    assert VocInstanceDataset(str(voc), exif="ignore")[0].image.shape == (20, 40, 3)


def test_a_grey_image_of_12_bits_is_trained_on_as_bright_as_it_is(tmp_path):
    settings = _write(tmp_path, 1)
    deep = (scene((32, 48))[..., 0].astype(np.uint16)) * 16
    (tmp_path / "images" / "a.jpg").write_bytes(cv2.imencode(".png", deep)[1].tobytes())
    with pytest.warns(UserWarning, match="12 bits"):
        image = CocoPoseDataset(**settings)[0].image
    assert image.mean() > 60
