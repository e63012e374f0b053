"""Package metadata: the version from ``aemm/__init__.py``, the requirements from ``requirements/``."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
MIM_FILES = [
    f".mim/{folder}/**/*.{ending}" for folder in ("configs", "tools") for ending in ("py", "yml", "sh", "json")
]


def read_requirements(name: str) -> list[str]:
    """The requirement specifiers in ``requirements/<name>.txt``, comments left out."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def read_version() -> str:
    """The version, as ``aemm/__init__.py`` states it."""
    text = (ROOT / "aemm" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    assert found, 'aemm/__init__.py has no line __version__ = "..."'
    return found.group(1)


def optional_extras() -> dict[str, list[str]]:
    """One extra for each line of ``requirements/optional.txt``, named after its package."""
    return {re.split(r"[^\w-]", line)[0]: [line] for line in read_requirements("optional")}


setup(
    name="aemm",
    version=read_version(),
    description="Associative embedding for bottom-up pose estimation and instance segmentation",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The aemm contributors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords=["pose estimation", "associative embedding", "bottom-up", "instance segmentation", "COCO", "PyTorch"],
    project_urls={"Paper": "https://arxiv.org/abs/1611.05424"},
    packages=find_packages(include=["aemm", "aemm.*"]),
    # .mim links to configs and tools; a wheel holds what they link to
    package_data={
        "aemm": ["py.typed", ".mim/*.yml", *MIM_FILES],
        "aemm.export": ["web/*"],
        "aemm.reports": ["page.css", "page.html.jinja", "page.js"],
    },
    entry_points={"console_scripts": ["aemm = aemm.cli:main"]},
    python_requires=">=3.10",
    install_requires=read_requirements("runtime"),
    extras_require={
        **optional_extras(),
        "export": read_requirements("export"),
        "tests": read_requirements("tests"),
        "docs": read_requirements("docs"),
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
)
