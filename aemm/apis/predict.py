"""Predict all that is given, write what is found, and account for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from pathlib import Path

from aemm.apis.account import Account
from aemm.apis.inferencer import Inferencer
from aemm.apis.inputs import Input
from aemm.apis.outputs import open_results


def predict_all(
    inferencer: Inferencer,
    inputs: Input | Iterable[Input],
    out_dir: str | Path | None = None,
    results: Iterable[str | Path] = (),
    threshold: float = 0.1,
    account: Account | None = None,
    tell: Callable[[Account], object] = lambda account: None,
) -> Account:
    """Predict every image and write what is found as it comes.

    An input that cannot be read is left out and listed, and the rest is done. If the run is stopped, all that was
    found before is written.

    Args:
        inferencer: the model.
        inputs: see :func:`aemm.apis.inputs.find_sources`.
        out_dir: draw what is found into this folder, see :class:`aemm.apis.outputs.Pictures`.
        results: files for what is found, see :func:`aemm.apis.outputs.open_results`.
        threshold: instances and keypoints below it are not drawn.
        account: filled while the run goes on, for those who look at it from outside; None makes a new one.
        tell: called with it after every image.

    Returns:
        what became of every input; where it is not ``complete``, something was left out.

    Raises:
        ValueError: nothing could be read.
        OSError: a result cannot be written.
    """
    account = Account() if account is None else account
    files = [open_results(path, inferencer.info) for path in results]
    complete = False
    try:
        with closing(inferencer(inputs, out_dir, threshold, account)) as people:
            for found in people:
                account.instances += len(found)
                for file in files:
                    file.write(found)
                tell(account)
        complete = True
    finally:
        with ExitStack() as stack:  # closes every one, also if one of them fails
            for file in files:
                stack.callback(file.close, account, complete)
    if not account.images:
        raise ValueError(f"no image could be read\n{account.describe()}")
    return account
