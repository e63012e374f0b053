"""Where the time of a training and of a prediction goes, as ``aemm profile`` measures it.

python tools/analysis_tools/profile.py configs/synthetic/pose_hourglass_tiny_128.py
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from sysconfig import get_path

from aemm.cli import run_tool

if __name__ == "profile":  # Python's own module is meant, before which scripts of this folder find this file
    spec = PathFinder.find_spec(__name__, [get_path("stdlib")])
    assert spec is not None
    assert spec.loader is not None
    sys.modules[__name__] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[__name__])

if __name__ == "__main__":
    sys.exit(run_tool("profile"))
