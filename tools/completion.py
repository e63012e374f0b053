"""Print the completion of the command aemm for a shell, as ``aemm completion`` does.

python tools/completion.py bash
"""

import sys

from aemm.cli import run_tool

if __name__ == "__main__":
    sys.exit(run_tool("completion"))
