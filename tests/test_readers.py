"""Every place that reads from outside is listed in docs/reliability.md, runs nothing, and keeps to its limits."""

import io
import json
import os
import pickle
import re
import runpy
import struct
import tarfile
import zipfile
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mmengine.fileio import LocalBackend
from PIL import Image
from scipy.io import savemat

from aemm.apis import inputs
from aemm.datasets import CocoInstanceDataset, CocoPoseDataset, CrowdPoseDataset, MpiiDataset
from aemm.engine import ConfigError
from aemm.engine.checkpoint_files import CheckpointFiles
from aemm.engine.config_file import read_config
from aemm.engine.resume import newest_whole
from aemm.engine.runs import NUMBERS, find_run
from aemm.formats import (
    AnnotationError,
    UnreadableImageError,
    containers,
    decoders,
    load_image,
    open_frames,
    paths,
    tiff,
    voc,
)
from aemm.formats.checkpoint import CheckpointError, read_checkpoint
from aemm.formats.downloads import check_hash
from aemm.formats.labels import coco_points, cvat, label_studio, labelme, yolo
from aemm.formats.mpii_mat import read_groups
from aemm.formats.png import read_indices
from aemm.formats.results import read_results
from aemm.formats.scalars import read_history
from aemm.formats.segmentation import MAX_NUMBERS, MAX_OUTLINE
from aemm.formats.shards import Shards
from aemm.formats.voc import VocFiles, read_sbd
from aemm.models.backbones.from_timm import _weights_in
from aemm.ops.fitting import MAX_STRETCH
from aemm.records import DatasetInfo
from aemm.runtime.description import DeployedModelError
from aemm.runtime.engines import description_beside
from aemm.runtime.pictures import read_picture
from aemm.skeletons import build_skeleton
from tests.annotations import person, person_file, write
from tests.drawn_files import encoded, png_part
from tests.reading import ROOT, reading_functions

CONVERTER = runpy.run_path(str(ROOT / "tools" / "dataset_tools" / "mpii_to_coco.py"))
pytestmark = pytest.mark.filterwarnings("ignore")
PAGE = (ROOT / "docs" / "reliability.md").read_text()
RAN = "made by a file"
INFO = DatasetInfo("people", build_skeleton("coco"), ("person",), (1,))


def _section(title):
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def _rows(title):
    """Cells of the rows of a section's table, without its head."""
    lines = [line for line in _section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[1:]]


class Order:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, (RAN,)


def _zip(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_pkl", ".pkl").replace("_npy", ".npy"), content)
    return buffer.getvalue()


def _saved(save, *arguments, **options):
    buffer = io.BytesIO()
    save(buffer, *arguments, **options)
    return buffer.getvalue()


PAYLOADS = {
    "pickle": pickle.dumps(Order()),
    "pickle as text": pickle.dumps(Order(), 0),
    "checkpoint": _saved(lambda file: torch.save({"state_dict": Order()}, file)),
    "old checkpoint": _saved(lambda file: torch.save(Order(), file, _use_new_zipfile_serialization=False)),
    "archive": _zip(archive__data_pkl=pickle.dumps(Order()), archive__version="3"),
    "arrays": _saved(np.save, np.array([Order()], object), allow_pickle=True),
    "archive of arrays": _saved(np.savez, a=np.array([Order()], object)),
    "yaml": f"!!python/object/apply:os.mkdir [{RAN!r}]\n".encode(),
    "yaml within": f"images: &a\n  - !!python/object/new:os.mkdir [{RAN!r}]\nannotations: *a\n".encode(),
    "code": f"__import__('os').mkdir({RAN!r})\n".encode(),
    "json of code": json.dumps({"py/reduce": [{"py/function": "os.mkdir"}, [RAN]]}).encode(),
    "xml": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "matlab": _saved(savemat, {"a": np.array([f"__import__('os').mkdir({RAN!r})"], object)}),
    "nested": b"[" * 1_100,
}
ENDINGS = (".json", ".pkl", ".pickle", ".yaml", ".yml", ".npy", ".npz", ".pth", ".mat", ".py.txt", "")


def _data_config(path):
    if not path.endswith((".json", ".yaml", ".yml")):
        raise ConfigError("read as Python, or refused for its ending")
    cfg, _ = read_config(path)
    raise ConfigError(f"plain values: {json.dumps(cfg.to_dict())}")


def _note(path):
    os.replace(path, "last_checkpoint")
    newest_whole(CheckpointFiles(".", "epoch_{}.pth", LocalBackend()), ".", [])


def _counted(path):
    if CONVERTER["image_size"](path) is None:
        raise ValueError


def _described(path):
    os.replace(path, "model.onnx.json")
    description_beside("model.onnx")


def _indexed(path):
    with tarfile.open("whole.tar", "w"):
        os.replace(path, "whole.tar.index")
    Shards(["whole.tar"])


def _curves(path):
    os.makedirs("start/vis_data", exist_ok=True)
    os.replace(path, "start/vis_data/scalars.json")
    if not read_history("."):
        raise ValueError


def _reported(path):
    os.makedirs("report", exist_ok=True)
    os.replace(path, f"report/{NUMBERS}")
    find_run("report")


# for each row of the table: readers, and the error that it states
READERS = {
    "annotations": [
        (lambda path: CocoPoseDataset(path, "", test_mode=True), AnnotationError),
        (lambda path: CocoInstanceDataset(path, "", test_mode=True), AnnotationError),
        (lambda path: CrowdPoseDataset(path, "", test_mode=True), AnnotationError),
        (lambda path: MpiiDataset(path, "", test_mode=True), AnnotationError),
    ],
    "predictions for `aemm evaluate`": [(lambda path: read_results(path, [(1, (4, 4))], INFO), AnnotationError)],
    "keypoint sets": [(build_skeleton, ValueError)],
    "images": [(load_image, UnreadableImageError)],
    "shards of images": [(lambda path: Shards([path]), OSError), (_indexed, OSError)],
    "videos": [(lambda path: list(open_frames(path)), UnreadableImageError)],
    "masks": [(read_indices, UnreadableImageError)],
    "lists of VOC images": [(lambda path: VocFiles(".", [path]), AnnotationError)],
    "masks of the Semantic Boundaries Dataset": [(read_sbd, UnreadableImageError)],
    "MPII annotations and submissions": [(read_groups, ValueError)],
    "checkpoints": [(read_checkpoint, CheckpointError)],
    "weights of timm and Hugging Face": [(_weights_in, CheckpointError)],
    "the note which checkpoint is the newest": [(_note, CheckpointError)],
    "configs in YAML or json": [(_data_config, ConfigError)],
    "labels of labelme": [(read, AnnotationError) for read in (labelme.read, label_studio.read, coco_points.read)],
    "labels of CVAT": [(cvat.read, AnnotationError)],
    "labels of YOLO": [(yolo.read, AnnotationError)],
    "descriptions of exported models": [(_described, DeployedModelError)],
    "images for exported models": [(read_picture, DeployedModelError)],
    "curves of a training": [(_curves, ValueError)],
    "figures of a report": [(_reported, FileNotFoundError)],
    "downloads": [(lambda path: check_hash(Path(path), "0" * 64, ""), CheckpointError)],
    "list of groups for `mpii_to_coco.py`": [(lambda path: CONVERTER["read_val_list"](Path(path)), ValueError)],
    "sizes of images for `mpii_to_coco.py`": [(_counted, ValueError)],
}
BY_INTENT = "configs in Python"


def test_every_place_that_reads_is_listed():
    found = {
        name for top in ("aemm", "tools") for path in (ROOT / top).rglob("*.py") for name in reading_functions(path)
    }
    listed = set(re.findall(r"`((?:aemm|tools)\.[\w.]+)`", _section("What is read from outside")))
    assert found == listed


@pytest.mark.parametrize(
    "line",
    [
        *("open(x)", "open(x, 'rb')", "open(x, 'r+')", "x.read_text()", "x.open()", "eval(x)", "exec(x)", "compile(x)"),
        *("import json\njson.load(x)", "from json import loads as f\nf(x)", "import numpy as np\nnp.load(x)"),
        *("import pickle\npickle.Unpickler(x)", "import mmengine\nmmengine.load(x)", "import yaml\nyaml.full_load(x)"),
        *(
            "import xml.etree.ElementTree as ET\nET.parse(x)",
            "import pandas\npandas.read_csv(x)",
            "import cv2\ncv2.imread(x)",
        ),
        *("from mmengine import Config\nConfig.fromfile(x)", "import urllib.request\nurllib.request.urlopen(x)"),
        *("import runpy\nrunpy.run_path(x)", "import csv\ncsv.reader(x)", "import h5py\nh5py.File(x)"),
    ],
)
def test_a_new_place_is_found(line, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.reading.ROOT", tmp_path)
    (tmp_path / "new.py").write_text(line)
    assert list(reading_functions(tmp_path / "new.py")) == ["new.<module>"]


def test_every_row_has_its_readers():
    rows = [row[0] for row in _rows("What is read from outside") if row[0].partition(",")[0] != BY_INTENT]
    assert len(rows) == len(READERS)
    for row, title in zip(rows, READERS, strict=True):
        assert row.startswith(title)


@pytest.mark.parametrize("title", READERS)
def test_no_file_runs_code_and_each_gets_the_stated_error(title, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    row = next(row for row in _rows("What is read from outside") if row[0].startswith(title))
    for read, error in READERS[title]:
        assert error.__name__ in row[2] or title.startswith(("sizes", "the note", "curves"))
        for name, payload in PAYLOADS.items():
            for ending in ENDINGS:
                path = tmp_path / f"file{ending}"
                path.write_bytes(payload)
                with pytest.raises(error):
                    read(str(path))
                assert not os.path.exists(RAN), f"{name} as {path.name} ran"


def test_the_payloads_run_where_they_are_trusted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trusting = {
        "pickle": pickle.loads,
        "pickle as text": pickle.loads,
        "checkpoint": lambda data: torch.load(io.BytesIO(data), weights_only=False),
        "old checkpoint": lambda data: torch.load(io.BytesIO(data), weights_only=False),
        "arrays": lambda data: np.load(io.BytesIO(data), allow_pickle=True),
        "archive of arrays": lambda data: np.load(io.BytesIO(data), allow_pickle=True)["a"],
        "yaml": lambda data: yaml.load(data, yaml.UnsafeLoader),
        "code": lambda data: exec(data),
    }
    for name, load in trusting.items():
        load(PAYLOADS[name])
        os.rmdir(RAN)


def _limits():
    """Names and values of the limits in the code."""
    paths = [path for folder in ("formats", "apis") for path in (ROOT / "aemm" / folder).rglob("*.py")]
    for path in (*paths, ROOT / "aemm/ops/fitting.py"):
        module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for name in re.findall(r"^(_?MAX_[A-Z]+) = ", path.read_text(), re.MULTILINE):
            yield f"{module.__name__}.{name}", getattr(module, name)


def test_every_limit_is_listed_with_its_value():
    rows = {row[2].strip("`"): row[1] for row in _rows("How large things may be") if row[2] != "–"}
    assert set(rows) == {name for name, _ in _limits()}
    units = {"GiB": 2**30, "MiB": 2**20}
    for name, value in _limits():
        number, unit, *_ = [*rows[name].split(), ""]
        assert int(number.replace(",", "")) * units.get(unit, 1) == value, name


def _sparse(folder, start):
    path = folder / "large"
    path.write_bytes(start)
    os.truncate(path, paths.MAX_BYTES + 1)
    return str(path)


@pytest.mark.parametrize("read", [load_image, read_indices, lambda path: list(open_frames(path))])
def test_a_file_that_is_too_large_is_not_read(read, tmp_path):
    with pytest.raises(UnreadableImageError, match=f"files of up to {paths.MAX_BYTES} are read"):
        read(_sparse(tmp_path, b"GIF89a"))


def _stating(kind, side=50_000):
    """A small file whose header states a picture of ``side`` by ``side`` pixels."""
    small = encoded(np.zeros((8, 8), np.uint8), kind)
    if kind == "PNG":
        head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        return small[:8] + png_part(b"IHDR", head) + small[33:]
    at, form = {
        "JPEG": (small.find(b"\xff\xc0") + 5, ">HH"),
        "GIF": (6, "<HH"),
        "BMP": (18, "<II"),
        "JPEG2000": (small.find(b"ihdr") + 4, ">II"),
    }[kind]
    made = bytearray(small)
    struct.pack_into(form, made, at, side, side)
    if kind == "GIF":
        struct.pack_into("<HH", made, small.index(b",") + 5, side, side)
    return bytes(made)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "JPEG2000"])
def test_a_picture_that_is_too_large_is_not_decoded(kind, tmp_path):
    (tmp_path / "large").write_bytes(_stating(kind))
    frames = [] if kind == "JPEG" else [lambda path: list(open_frames(path))]
    for read in (load_image, *frames, *([read_indices] if kind == "PNG" else [])):
        with pytest.raises(UnreadableImageError, match=rf"(up to|far more than the) {decoders.MAX_PIXELS}"):
            read(str(tmp_path / "large"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            dict(segmentation=[[5, 5] * (MAX_NUMBERS // 2 + 1)]),
            f"up to {MAX_NUMBERS} are read",
        ),
        (
            dict(segmentation=dict(size=[40, 50], counts=[0] * (MAX_NUMBERS + 1)), iscrowd=1),
            f"up to {MAX_NUMBERS} are read",
        ),
        (dict(segmentation=[[0, 0, 1e7, 0, 0, 1e7]]), f"up to {MAX_OUTLINE} are drawn"),
    ],
)
def test_a_segmentation_that_is_too_large_is_a_fault(change, message, tmp_path):
    data = person_file(1)
    data["annotations"] = [person(1, 1, **change)]
    with pytest.raises(AnnotationError, match=message):
        CocoInstanceDataset(write(tmp_path, data), "", str(tmp_path))


def test_an_image_that_an_annotation_file_states_too_large_is_a_fault(tmp_path):
    data = person_file(1)
    data["images"][0] |= dict(width=10**5, height=10**5)
    for dataset in (CocoPoseDataset, CocoInstanceDataset):
        with pytest.raises(AnnotationError, match=f"images of up to {decoders.MAX_PIXELS} pixels are read"):
            dataset(write(tmp_path, data), "", str(tmp_path))


def test_other_things_that_are_too_large(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=f"at most {voc._MAX_INSTANCES} instances"):
        voc.split_instances(np.arange(1, voc._MAX_INSTANCES + 3, dtype=np.uint16)[None], None)
    with pytest.raises(UnreadableImageError, match=f"up to {MAX_STRETCH} times as long as wide"):
        inputs._check_stretch("long", np.zeros((1, MAX_STRETCH + 1, 3), np.uint8))
    pages = [Image.new("L", (8, 8)) for _ in range(4)]
    monkeypatch.setattr(tiff, "_MAX_PAGES", 3)
    file = tiff.TiffFile(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert len(file.pages) == 3
    assert "after page 3" in file.fault
    (tmp_path / "a.mp4").write_bytes(struct.pack(">I4s", 2**28 + 16, b"moov") + b"\0" * 16)
    assert containers.mp4_duration(str(tmp_path / "a.mp4")) is None
