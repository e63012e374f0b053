"""What aemm runs on: versions, devices, threads, what was found, and how to get what was not."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator
from importlib import metadata

import cv2
import torch

import aemm
from aemm.formats.downloads import cache_folder
from aemm.formats.recipes import HOME, recipes

Rows = list[tuple[str, str]]

# what aemm needs, by distribution; of two that provide the same, either
_NEEDED = (
    ("torch",),
    ("mmengine", "onedl-mmengine"),
    ("mmcv-lite", "mmcv"),
    ("numpy",),
    ("opencv-python", "opencv-python-headless"),
    ("pillow",),
    ("scipy",),
    ("pycocotools",),
    ("hotcoco",),
)
_DEVELOPERS = ("tests", "docs")


def describe_environment() -> dict[str, Rows]:
    """What there is, as rows of name and text under headings."""
    return {
        "aemm": _own(),
        "versions": list(_versions()),
        "devices": list(_devices()),
        "threads": _threads(),
        "extras": list(_extras()),
        "files and video": list(_media()),
        "compiler": _compiler(),
    }


def _own() -> Rows:
    rows = [("version", aemm.__version__), ("folder", os.path.dirname(aemm.__file__))]
    try:
        rows.append(("recipes", f"{len(recipes())} in {HOME.resolve()}"))
    except FileNotFoundError as error:
        rows.append(("recipes", str(error)))
    chosen = "as AEMM_HOME says" if os.environ.get("AEMM_HOME") else "AEMM_HOME chooses another folder"
    try:
        return [*rows, ("downloads", f"{cache_folder()} ({chosen})")]
    except OSError as error:
        return [*rows, ("downloads", str(error))]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _versions() -> Iterator[tuple[str, str]]:
    yield "Python", f"{platform.python_version()} on {platform.platform()}"
    for names in _NEEDED:
        found = [(name, version) for name in names if (version := _version(name))]
        for name, version in found:
            yield name, version
        if not found:
            yield names[0], f"missing; pip install {names[0]}"
        elif len(found) > 1:
            yield f"{names[0]} twice", "they overwrite each other's files; see docs/use.md and docs/troubleshooting.md"


def _devices() -> Iterator[tuple[str, str]]:
    yield "CPU", f"{_processor()}, {torch.backends.cpu.get_cpu_capability()}"
    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        yield f"cuda:{number}", f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
    if torch.cuda.device_count() == 0:
        if torch.version.cuda is None:
            yield "GPU", "none that this build of torch could use, which is for CPUs; pytorch.org has those for GPUs"
        else:
            yield "GPU", f"none found by torch, which is built for CUDA {torch.version.cuda}; does nvidia-smi see one?"


def _processor() -> str:
    """The name of the processor, where the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            found = re.search(r"^model name\s*:\s*(.+)$", file.read(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def usable_cpus() -> int:
    """How many processors this process may use, which is fewer than there are where it was bound to some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads() -> Rows:
    said = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ}
    chosen = ", ".join(f"{name}={value}" for name, value in said.items()) or "OMP_NUM_THREADS is not set"
    return [
        ("processors", f"{usable_cpus()} of {os.cpu_count()} may be used"),
        ("torch", f"{torch.get_num_threads()} ({chosen})"),
        ("OpenCV", str(cv2.getNumThreads())),
    ]


def _extras() -> Iterator[tuple[str, str]]:
    """The extras of the installed aemm, and of each whether its package is there."""
    try:
        wanted = metadata.requires("aemm") or []
    except metadata.PackageNotFoundError:
        yield "unknown", "aemm is not installed but imported from a folder; pip install --editable FOLDER"
        return
    for text in wanted:
        extra = re.search(r"extra *== *[\"']([\w-]+)", text)
        if extra is None or extra[1] in _DEVELOPERS:
            continue
        name = re.split(r"[^\w.-]", text)[0]
        yield name, _version(name) or f'not installed; pip install "aemm[{extra[1]}]"'


def _media() -> Iterator[tuple[str, str]]:
    build = cv2.getBuildInformation()
    for name, does in (("FFMPEG", "videos and streams"), ("GStreamer", "streams")):
        found = re.search(rf"^\s*{name}:\s*(\w+)", build, re.MULTILINE)
        there = found is not None and found[1] == "YES"
        remedy = "" if there or name != "FFMPEG" else "; pip install --force-reinstall opencv-python"
        yield f"OpenCV {name}", f"{'found' if there else 'not in this build'} ({does}){remedy}"


def _compiler() -> Rows:
    found = next(filter(None, map(shutil.which, ("g++", "clang++"))), None)
    return [("C++", found or "none; compile=True needs one on a CPU: apt-get install g++")]
