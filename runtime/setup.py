"""Exported models without torch: the modules of aemm that need neither it nor mmengine, packaged from where they are.

``pip install ./runtime`` from the root of the repository. Where aemm itself is installed, it holds the same modules, so
that an environment has one or the other.
"""

import re
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

AEMM = Path(__file__).resolve().parents[1] / "aemm"
# modules of each package that are packaged; None = all of them
MODULES: dict[str, set[str] | None] = {
    "aemm": {"__init__", "announce", "geometry", "records", "skeletons"},
    "aemm.ops": {
        "__init__",
        *("assignment", "boxes", "cell_search", "fitting", "grouping", "image", "instance_masks", "openvino"),
        *("orientation", "peaks", "people", "pixel_grouping", "pixels", "refining", "run_lengths", "subpixel"),
        "suppression",
    },
    "aemm.runtime": None,
    "aemm_runtime": None,
}


class BuildSubset(build_py):
    """Leave out the modules that need torch."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """Package, module and file of what is packaged."""
        wanted = MODULES[package]
        found = super().find_package_modules(package, package_dir)
        return [entry for entry in found if wanted is None or entry[1] in wanted]


def read_version() -> str:
    """The version, as ``aemm/__init__.py`` states it."""
    found = re.search(r'^__version__ = "(.+)"$', (AEMM / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, 'aemm/__init__.py has no line __version__ = "..."'
    return found.group(1)


setup(
    name="aemm-runtime",
    version=read_version(),
    description="Associative embedding models, exported by aemm, on images: NumPy, SciPy, OpenCV and one engine",
    license="Apache-2.0",
    packages=list(MODULES),
    package_dir={"aemm": "../aemm", "aemm.ops": "../aemm/ops", "aemm.runtime": "../aemm/runtime"},
    cmdclass={"build_py": BuildSubset},
    entry_points={"console_scripts": ["aemm-runtime = aemm_runtime.command:main"]},
    python_requires=">=3.10",
    install_requires=["numpy>=1.26", "opencv-python-headless>=4.9", "scipy>=1.11", "onnxruntime>=1.18"],
    extras_require={"openvino": ["openvino>=2024.4"]},
)
