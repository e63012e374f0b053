"""A page on trained models, as ``aemm report`` writes it.

python tools/analysis_tools/report.py work_dirs/first work_dirs/second --out comparison
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("report"))
