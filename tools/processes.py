"""Start a script as several processes, as ``dist_train.sh`` and ``dist_test.sh`` do.

python tools/processes.py 8 tools/train.py configs/pose/hourglass4_coco_512.py --launcher pytorch
"""

import sys

from aemm.cli.processes import main

if __name__ == "__main__":
    sys.exit(main())
