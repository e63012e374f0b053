"""Images in tar files and in stores give the samples that their folder gives."""

import io
import json
import pickle
import sys
import tarfile
from pathlib import Path

import mmengine.fileio as fileio
import numpy as np
import pytest

from aemm.cli import main
from aemm.datasets import CocoPoseDataset, SyntheticPoseDataset
from aemm.datasets.base import SampleKey
from aemm.formats import AnnotationError, UnreadableImageError, load_image
from aemm.formats.shards import INDEX, Shards, below, open_shards, shard_paths
from tests.annotations import person_file, write

PIPELINE = [dict(type="RandomAffine", size=64), dict(type="RandomFlip"), dict(type="PoseTargets", strides=[4])]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A drawn set as a folder, and packed: its root."""
    root = tmp_path_factory.mktemp("photos")
    SyntheticPoseDataset(9, 64).export_coco(str(root))
    words = ["pack", str(root / "annotations.json"), str(root / "images"), str(root / "shards")]
    assert main([*words, "--shard-mb", "1"]) == 0
    return root


@pytest.fixture
def parted(photos, tmp_path):
    """The same in three shards."""
    from aemm.formats.image_folder import ImageFolder
    from aemm.formats.listed import AnnotationSource
    from aemm.formats.packing import pack_images

    source = AnnotationSource(str(photos / "annotations.json"), ImageFolder(str(photos / "images")))
    size = sum(path.stat().st_size for path in (photos / "images").iterdir())
    return pack_images(source, tmp_path / "parted", size // 2)


def _samples(img_dir, root, **settings):
    data = CocoPoseDataset("annotations.json", img_dir, str(root), pipeline=PIPELINE, **settings)
    return [data[SampleKey(n, epoch=1, seed=3)] for n in range(len(data))]


def _assert_same(one, two):
    assert len(one) == len(two) > 0
    for a, b in zip(one, two, strict=True):
        assert a.image_id == b.image_id
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.keypoints, b.keypoints)
        np.testing.assert_array_equal(a.targets[0].heatmaps, b.targets[0].heatmaps)


def _copy_to_memory(root, name):
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").put(str(root), f"/{name}", recursive=True)
    return f"memory://{name}"


def test_shards_give_the_samples_of_the_folder(photos, parted):
    expected = _samples("images", photos)
    _assert_same(_samples("tar://shards/images-000000.tar", photos), expected)
    assert len(parted.shards) > 1
    _assert_same(_samples(parted.address, photos), expected)
    _assert_same(_samples(f"tar://{parted.shards[0].parent}/images-*.tar", photos), expected)


def test_stores_give_the_samples_of_the_folder(photos):
    expected = _samples("images", photos)
    store = _copy_to_memory(photos, "photos")
    _assert_same(_samples("images", store), expected)
    _assert_same(_samples("images", f"file://{photos}"), expected)
    _assert_same(_samples("tar://shards/images-000000.tar", store), expected)
    _assert_same(_samples(f"tar+{store}/shards/images-000000.tar", photos), expected)


def test_shards_of_others_are_read_without_an_index(photos, tmp_path):
    with tarfile.open(tmp_path / "others.tar", "w") as tar:
        for path in sorted((photos / "images").iterdir()):
            tar.add(path, f"./{path.name}")
            entry = tarfile.TarInfo(path.stem + ".cls")
            entry.size = 1
            tar.addfile(entry, io.BytesIO(b"7"))
    _assert_same(_samples(f"tar://{tmp_path}/others.tar", photos), _samples("images", photos))


def test_webdataset_finds_image_and_annotations_under_one_key(photos):
    with tarfile.open(photos / "shards" / "images-000000.tar") as tar:
        names = tar.getnames()
        about = json.load(tar.extractfile(names[1]))
    keys = [name.split(".")[0] for name in names]
    assert keys[0::2] == keys[1::2]
    assert {name.split(".", 1)[1] for name in names} == {"png", "json"}
    assert about["image"]["file_name"] == names[0]
    assert {row["image_id"] for row in about["annotations"]} <= {about["image"]["id"]}


def test_an_inferencer_or_any_reader_takes_their_addresses(photos):
    name = sorted((photos / "images").iterdir())[0]
    address = f"tar://{photos}/shards/images-000000.tar/{name.name}"
    np.testing.assert_array_equal(load_image(address), load_image(str(name)))
    assert fileio.exists(address)
    assert not fileio.exists(address + "x")
    assert json.loads(fileio.get_text(address.replace(".png", ".json")))["image"]["file_name"] == name.name


def test_images_that_are_in_no_shard_are_reported_with_the_annotation_file(photos, tmp_path):
    path = write(tmp_path, person_file(), images=False)
    with pytest.raises(AnnotationError, match=r"2 of 2 files are in no shard of .*'1\.png', '2\.png'"):
        CocoPoseDataset(path, f"tar://{photos}/shards/images-000000.tar")
    with pytest.raises(FileNotFoundError, match=r"gone\.tar"):
        CocoPoseDataset(path, f"tar://{tmp_path}/gone.tar")
    with pytest.raises(FileNotFoundError, match="no shard fits"):
        CocoPoseDataset(path, f"tar://{tmp_path}/gone-*.tar")


def test_damage_is_named(photos, tmp_path):
    shard = photos / "shards" / "images-000000.tar"
    whole = shard.read_bytes()
    copy = tmp_path / "copy.tar"
    copy.write_bytes(whole)
    shards = Shards([str(copy)])
    copy.write_bytes(whole[:700])
    with pytest.raises(OSError, match=r"copy\.tar ends within .*png"):
        shards.read(sorted((photos / "images").iterdir())[0].name)
    for content, said in (
        (b"", "no plain tar"),
        (b"\x1f\x8b" + bytes(600), "no plain tar"),
    ):
        copy.write_bytes(content)
        with pytest.raises(OSError, match=said):
            Shards([str(copy)])
    copy.write_bytes(whole)
    for index, said in (
        ("[", "is no index"),
        ("[]", "is not the index of"),
        (json.dumps(dict(bytes=7, files={})), "is not the index of"),
        (json.dumps(dict(bytes=len(whole), files={"a": [0, len(whole) + 1]})), "within the shard"),
    ):
        Path(f"{copy}{INDEX}").write_text(index)
        with pytest.raises(OSError, match=said):
            Shards([str(copy)])
    with pytest.raises(ValueError, match="have the name of another"):
        Shards([str(shard), str(shard)])


def test_an_address_without_a_member_and_a_member_that_is_not_there_are_refused(photos):
    for address, said in (
        (f"tar://{photos}/shards/images-000000.tar", "expected tar://SHARDS.tar/NAME"),
        (f"tar://{photos}/shards/images-000000.tar/gone.png", "gone.png is in none of 1 shards"),
        ("memory://nowhere/gone.png", "gone.png"),
    ):
        with pytest.raises(UnreadableImageError, match=said):
            load_image(address)


def test_ranges_count_up_with_their_zeros():
    assert shard_paths("s3://b/a-{8..10}.tar") == ["s3://b/a-8.tar", "s3://b/a-9.tar", "s3://b/a-10.tar"]
    for pattern in ("a-{3..1}.tar", "a-{0..1000000}.tar"):
        with pytest.raises(ValueError, match="must count up"):
            shard_paths(pattern)
    assert below("", "images") == "images"
    assert below("data", "/images") == "/images"


def test_shards_go_to_other_processes(photos):
    shards = open_shards(str(photos / "shards" / "images-000000.tar"))
    name = sorted((photos / "images").iterdir())[0].name
    assert pickle.loads(pickle.dumps(shards)).read(name) == shards.read(name)


def test_what_cannot_be_packed_is_left_out_and_said(tmp_path, capsys):
    path = write(tmp_path, person_file(3))
    (tmp_path / "2.png").unlink()
    assert main(["pack", path, str(tmp_path), str(tmp_path / "out")]) == 3
    shown = capsys.readouterr()
    assert "2 images" in shown.out
    assert "2.png" in shown.err
    assert main(["pack", path, str(tmp_path), str(tmp_path / "out")]) == 1
    assert "holds shards" in capsys.readouterr().err
    assert main(["pack", path, str(tmp_path / "empty"), str(tmp_path / "other")]) == 1
    assert "no image of" in capsys.readouterr().err


def test_without_fsspec_its_absence_and_the_remedy_are_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(ImportError, match=r'pip install "aemm\[fsspec\]"'):
        fileio.get("memory://a/b.json")


def test_what_a_store_lacks_is_said(monkeypatch):
    pytest.importorskip("fsspec")
    with pytest.raises(OSError, match=r"127\.0\.0\.1:1/a\.json cannot be read"):
        fileio.get("ftp://127.0.0.1:1/a.json")
