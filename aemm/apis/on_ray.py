"""Lists of paths, predicted by workers of a Ray cluster and written as Parquet."""

from __future__ import annotations

import codecs
import importlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aemm.apis.account import Account
from aemm.apis.inferencer import Inferencer
from aemm.apis.outputs import writable
from aemm.engine import Thinning, load_config
from aemm.records import to_plain

_LINES = 64  # of a list that a worker gets at a time: a worker that dies costs as many images


@dataclass(frozen=True)
class ModelSpec:
    """How every worker loads the model; see :class:`aemm.apis.Inferencer`.

    Attributes:
        config: path of the config, or name of a recipe.
        checkpoint: path of the checkpoint, or "published".
        options: that override values of the config.
        settings: further arguments of the inferencer.
        thinning: what leaves the result.
    """

    config: str
    checkpoint: str | None
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    thinning: Thinning = field(default_factory=Thinning)

    def load(self, device: str | None = None) -> Inferencer:
        """The model on a device; None = the first GPU that a worker sees, or the CPU."""
        cfg = load_config(self.config, self.options)
        return Inferencer(cfg, self.checkpoint, device, thinning=self.thinning, **self.settings)


class _Worker:
    """A model in a process of Ray; it tells what is in the inputs that a block names.

    Args:
        model: to load.
        device: None = the first GPU that it sees.
        folder: that relative paths count from.
    """

    def __init__(self, model: ModelSpec, device: str | None, folder: str) -> None:
        if os.path.isdir(folder):  # as on every machine of a cluster that has relative paths
            os.chdir(folder)
        self.inferencer = model.load(device)

    def __call__(self, block: Any) -> Any:
        """The rows of a block of inputs, as a table."""
        import pyarrow

        names = [os.fsdecode(name) for name in block["input"].to_pylist()]
        return pyarrow.Table.from_pylist(self.rows(names), schema=schema())

    def rows(self, names: list[str]) -> list[dict[str, Any]]:
        """A row for every image, and one for every input that was left out or not read whole.

        An input that raises an error is left out alone: it ends no run of days, and Ray would lose its message.
        """
        account = Account()
        try:
            rows = [to_plain(found) for found in self.inferencer(names, account=account)]
        except (ValueError, OSError) as error:
            if len(names) > 1:
                return [row for name in names for row in self.rows([name])]
            rows = []
            account.leave_out(names[0], error)
        for row in rows:
            row["image_id"] = writable(str(row["image_id"]))
        lost = (*account.left_out, *account.partial)
        return rows + [{"image_id": writable(row.name), "left_out": writable(row.reason)} for row in lost]


def schema() -> Any:
    """The columns: those of a line of ``--json NAME.jsonl``, and ``left_out``, the reason where there is no image."""
    import pyarrow as pa

    points = pa.list_(pa.list_(pa.float64()))
    mask = pa.struct([("size", pa.list_(pa.int32())), ("counts", pa.string())])
    numbers = [("label", pa.int32()), ("track_id", pa.int32())]
    instance = pa.struct([("score", pa.float64()), ("keypoints", points), ("mask", mask), *numbers])
    size = [("height", pa.int32()), ("width", pa.int32())]
    return pa.schema([("image_id", pa.string()), *size, ("instances", pa.list_(instance)), ("left_out", pa.string())])


def predict_on_ray(
    model: ModelSpec, lists: Sequence[str | Path], folder: str | Path, workers: int | None = None, gpus: bool = True
) -> Account:
    """Predict what lists of paths name, and write what is found as Parquet files.

    Every worker loads the model once and gets some lines at a time. Where a worker dies, Ray starts another, which
    does its lines again, so that no image is lost and none is written twice.

    Args:
        model: to predict with.
        lists: text files of inputs, one a line, see :func:`aemm.apis.inputs.find_sources`; relative paths count from
            the working directory. Every machine of the cluster has to reach the lists and what they name.
        folder: for the files, which all machines reach; it must not exist, or be empty. It is called ``NAME.part``
            until all is done.
        workers: None = one for each GPU of the cluster, or where there is none, for every two cores.
        gpus: whether each gets a GPU, if the cluster has any.

    Returns:
        images, instances and what was left out; ``found`` and ``read`` stay 0.

    Raises:
        FileNotFoundError: there is no such list.
        FileExistsError: the folder holds something.
        ValueError: a list is no text, or names nothing; or no image could be read.
        ModuleNotFoundError: Ray is not installed.
    """
    data, target = need_ray(), Path(folder)
    part = part_of(folder)
    files = [_checked_list(Path(path)) for path in lists]
    with _cluster(workers) as cluster:
        on_gpus = bool(gpus and cluster.get("GPU", 0))
        count = workers or int(cluster["GPU"] if on_gpus else cluster["CPU"] // 2) or 1
        found = _predicted(data, model, files, count, on_gpus)
        found.write_parquet(str(part), filesystem=importlib.import_module("pyarrow.fs").LocalFileSystem())
    if target.exists():
        target.rmdir()
    part.replace(target)
    account = read_account(target)
    if not account.images:
        raise ValueError(f"no image could be read\n{account.describe()}")
    return account


def _predicted(data: Any, model: ModelSpec, lists: list[str], workers: int, on_gpus: bool) -> Any:
    """A data set of Ray, whose rows are made when it is written: what workers find in the inputs of lists."""
    sources = data.from_items([{"list": path} for path in lists], override_num_blocks=len(lists))
    inputs = sources.flat_map(_read_list).repartition(target_num_rows_per_block=_LINES)
    return inputs.map_batches(
        _Worker,
        fn_constructor_args=(model, None if on_gpus else "cpu", os.getcwd()),
        batch_size=None,
        batch_format="pyarrow",
        compute=data.ActorPoolStrategy(size=workers),
        num_cpus=1,
        num_gpus=1 if on_gpus else 0,
        max_restarts=-1,
        max_task_retries=-1,
    )


def part_of(folder: str | Path) -> Path:
    """Where files are written before they take their place.

    Raises:
        FileExistsError: there are others in either place.
        ValueError: it is an address.
    """
    if "://" in str(folder):
        raise ValueError(f"{folder}: expected a folder that every machine reaches, got an address; mount it")
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FileExistsError(f"{target} exists and is no empty folder; results of two runs would be mixed there")
    part = Path(f"{os.path.abspath(target)}.part")
    if part.exists():
        raise FileExistsError(f"{part} exists: another run writes there, or was stopped; remove it to begin anew")
    return part


def need_ray() -> Any:
    """``ray.data``, which tells nobody that it is used.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        importlib.import_module("pyarrow")
        return importlib.import_module("ray.data")
    except ModuleNotFoundError as error:
        if error.name not in ("ray", "pyarrow", "pandas"):
            raise
        raise ModuleNotFoundError(
            f'--engine ray needs {error.name}, which is not installed; pip install "aemm[ray]"', name=error.name
        ) from error


@contextmanager
def _cluster(workers: int | None) -> Iterator[dict[str, float]]:
    """The resources of the cluster that this process belongs to, that ``RAY_ADDRESS`` names, or of one started here."""
    import ray
    from ray.data import DataContext

    own = not ray.is_initialized()
    if own:
        quiet: dict[str, Any] = dict(log_to_driver=False, logging_level=logging.ERROR)
        if not os.environ.get("RAY_ADDRESS"):  # one core for the reading of lists and the writing of files
            cores = max(os.cpu_count() or 1, (workers or 1) + 1)
            quiet |= dict(address="local", num_cpus=cores, include_dashboard=False)
        ray.init(**quiet)
    DataContext.get_current().enable_progress_bars = sys.stderr.isatty()
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield ray.cluster_resources()
    finally:
        if own:
            ray.shutdown()


def _checked_list(path: Path) -> str:
    """The absolute path of a list.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no text, or names nothing.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such list of paths; --engine ray reads files with a path a line")
    with path.open("rb") as file:
        start = file.read(4096)
        if b"\0" in start:
            raise ValueError(
                f"{path}: expected a list with a path a line, got a file that is no text; write one by "
                "find FOLDER -name '*.jpg' > list.txt"
            )
        if not start.strip() and not any(line.strip() for line in file):
            raise ValueError(f"{path}: the list names no input; expected a path a line")
    return os.path.abspath(path)


def _read_list(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The inputs that a list names, as bytes, since names of files need be no text."""
    with open(row["list"], "rb") as file:
        lines = [line.rstrip(b"\r\n") for line in file]
    lines[:1] = [line.removeprefix(codecs.BOM_UTF8) for line in lines[:1]]
    return [{"input": line} for line in lines if line.strip()]


def read_account(folder: str | Path) -> Account:
    """What Parquet files of :func:`predict_on_ray` hold, in numbers.

    Args:
        folder: of the files.
    """
    import pyarrow.compute as pc
    from pyarrow import dataset

    account = Account()
    for batch in dataset.dataset(folder).to_batches(columns=["image_id", "instances", "left_out"]):
        account.images += pc.count(batch["instances"]).as_py()
        account.instances += pc.sum(pc.list_value_length(batch["instances"])).as_py() or 0
        lost = batch.filter(pc.is_valid(batch["left_out"]))
        for name, reason in zip(lost["image_id"].to_pylist(), lost["left_out"].to_pylist(), strict=True):
            account.leave_out(name, ValueError(reason))
    return account
