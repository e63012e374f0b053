"""Say what aemm runs on, as ``aemm info`` does.

python tools/analysis_tools/info.py
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("info"))
