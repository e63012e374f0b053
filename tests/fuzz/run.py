"""Break inputs of every loader at random, under a limit of memory, and count what loaded and what was refused.

python tests/fuzz/run.py --count 3000
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import hypothesis
from hypothesis import strategies as st

from tests.fuzz.attempts import LOADERS, attempt


def fuzz(name: str, count: int, seed: int) -> Counter[str]:
    """Broken inputs of one loader; how many loaded and how many were refused."""
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(st.data())
        def run(data: st.DataObject) -> None:
            outcomes["loaded" if attempt(name, Path(folder) / "case", data.draw) else "refused"] += 1

        run()
    return outcomes


def main() -> None:
    """Fuzz every loader; the first error that is not documented ends the run with its traceback."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=3000, help="keypoint files; the others get a third as many")
    parser.add_argument("--only", choices=LOADERS, help="one loader alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=float, default=8.0, help="limit in GiB")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    limit = int(args.memory * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for name in [args.only] if args.only else LOADERS:
        outcomes = fuzz(name, args.count if name == "keypoints" else -(-args.count // 3), args.seed)
        print(f"{name}: {outcomes['loaded']} loaded, {outcomes['refused']} refused", flush=True)


if __name__ == "__main__":
    main()
