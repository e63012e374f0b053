"""``python -m aemm``."""

import sys

from aemm.cli import main

if __name__ == "__main__":
    sys.exit(main())
