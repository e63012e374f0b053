"""Kill trainings at random moments, half of them while a checkpoint is written, and resume them until they are done.

python -m tests.faults.kill_and_resume --trials 60
"""

import argparse
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.trials import Experiment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the faults (default 0)")
    args = parser.parse_args()
    folder, start = Path(tempfile.mkdtemp(prefix="kill_and_resume_")), time.time()
    experiment = Experiment(folder, args.seed)
    faults, results = Counter(), Counter()
    for number in range(args.trials):
        outcome = experiment.trial(number)
        faults.update(outcome.kinds)
        words = {fault.split(":")[0] for fault in outcome.faults} or {"bit-identical"}
        results.update(words)
        if outcome.faults:
            print(f"trial {number}: {outcome}")
    print(f"{args.trials} trainings, {sum(faults.values())} faults, {time.time() - start:.0f} s")
    for kind, count in faults.items():
        print(f"  {count:3d} {kind}")
    for word in ("lost", "wrong", "bit-identical"):
        print(f"{word}: {results[word]}")
    if results["lost"] or results["wrong"]:
        raise SystemExit(f"what they left is in {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
