"""The curves of trainings in one picture, as ``aemm curves`` draws them.

python tools/analysis_tools/curves.py work_dirs/first work_dirs/second --out curves.png
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("curves"))
