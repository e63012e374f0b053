"""Checkpoint files: read without running anything they hold, checked against a model, written whole or not at all.

A checkpoint is a dict of tensors and plain types. Its weights stand under ``state_dict``, or are the whole dict.
"""

from __future__ import annotations

import io
import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

import torch
from mmengine.fileio import get_file_backend
from torch import Tensor, nn

from aemm.formats.listing import list_rows

_SHOWN = 8
_ADDRESS = ("http://", "https://")
_STORE = ("s3://", "petrel://")
_DATE = re.compile(r"20\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])")
_CUT_SHORT = "it was cut short while being written or copied: delete it, then use another or fetch it again"


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message names the file, what is wrong with it and the remedy."""


def read_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """A checkpoint as a dict, loaded without running any code that it may hold.

    The file is whole: every entry of it agrees with its checksum. ``meta["config"]``, a text that mmengine's runner
    would run as Python when it resumes, is left out.

    Args:
        path: a file, or an address that starts with ``http://``, ``https://``, ``s3://`` or ``petrel://``. What is
            downloaded is kept in the folder ``checkpoints`` below ``AEMM_HOME``, or else in torch's cache, and is
            not fetched where it is there; a hash in its name is checked.
        map_location: as in ``torch.load``.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is damaged or no checkpoint, or holds more than tensors and plain types.
    """
    name = os.path.expanduser(str(path))
    if name.startswith(_STORE):
        source: Any = io.BytesIO(get_file_backend(name).get(name))
    else:
        source = _download(name) if name.startswith(_ADDRESS) else _existing(name)
        name = source
    _check_whole(source, name)
    try:
        checkpoint = torch.load(source, map_location=map_location or "cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"checkpoint {name} holds more than tensors and plain types and is not loaded, since unpickling it could "
            f"run any code ({reason}). If you trust whoever made it, open it with the program that did, and save its "
            'weights alone: torch.save({"state_dict": model.state_dict()}, "weights.pth")'
        ) from error
    except Exception as error:  # bytes of a stranger: torch's readers raise whatever they stumble over
        if isinstance(error, OSError) and error.filename:
            raise  # it cannot be opened
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"checkpoint {name} is damaged or no checkpoint ({reason}); {_CUT_SHORT}") from error
    if not isinstance(checkpoint, dict):
        raise CheckpointError(
            f"checkpoint {name} must hold a dict, got {type(checkpoint).__name__}; save it as "
            'torch.save({"state_dict": model.state_dict()}, "weights.pth")'
        )
    if isinstance(meta := checkpoint.get("meta"), dict):
        meta.pop("config", None)
    return checkpoint


def best_in(folder: str | Path) -> Path:
    """The best checkpoint that a training run left in its work dir, or the newest where it chose none.

    Raises:
        FileNotFoundError: there is none, or no such folder.
    """
    for pattern in ("best_*.pth", "*.pth"):
        if found := sorted(Path(folder).glob(pattern), key=lambda path: path.stat().st_mtime):
            return found[-1]
    raise FileNotFoundError(f"folder {folder} holds no checkpoint, expected the work dir of a training run")


def _existing(path: str) -> str:
    """The path, if a file is there."""
    if os.path.isdir(path):
        raise CheckpointError(f"checkpoint {path} is a folder; name a file in it{_names_in(path)}")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"checkpoint {path} does not exist{_names_in(os.path.dirname(path) or '.')}")
    return path


def _names_in(folder: str) -> str:
    """Which checkpoints a folder holds, as the end of a sentence."""
    names = sorted(entry.name for entry in Path(folder).glob("*.pth")) if os.path.isdir(folder) else []
    more = ", …" if len(names) > _SHOWN else ""
    return f"; {folder} holds {', '.join(names[:_SHOWN])}{more}" if names else ""


def place_of(address: str) -> Path:
    """Where the file of an address is, or will be once it was fetched."""
    name = PurePosixPath(urlparse(address).path).name
    return Path(os.environ.get("AEMM_HOME") or torch.hub.get_dir()).expanduser() / "checkpoints" / name


def _download(address: str) -> str:
    """The file that an address was saved as, fetched unless it is there."""
    from aemm.formats.downloads import fetch  # whose errors are those of this module

    target = place_of(address)
    if not target.is_file():
        fetch(address, target, _hash_in(target.name))
    return str(target)


def _hash_in(name: str) -> str | None:
    """The beginning of the file's SHA-256 that its name ends with, as torch and mmengine write it, if it does."""
    found = re.search(r"-([a-f0-9]{8,64})\.", name)
    return found[1] if found and not _DATE.fullmatch(found[1]) else None


def _check_whole(source: Any, name: str) -> None:
    """Raise unless every entry of a file agrees with its checksum, which torch does not look at.

    Files older than torch 1.6 are no archives; they have no checksums.
    """
    size = source.getbuffer().nbytes if isinstance(source, io.BytesIO) else os.path.getsize(source)
    if not size:
        raise CheckpointError(f"checkpoint {name} is empty; {_CUT_SHORT}")
    try:
        if not zipfile.is_zipfile(source):
            return
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
            if packed or sum(entry.file_size for entry in entries) > size:
                raise CheckpointError(
                    f"checkpoint {name} is an archive that unpacks to more than its {size} bytes, which torch.save "
                    "never writes; it is not loaded. Save the weights with torch.save"
                )
            damaged = archive.testzip()
    except CheckpointError:
        raise
    except Exception as error:  # bytes of a stranger, as above
        if isinstance(error, OSError) and error.filename:
            raise  # it cannot be opened
        raise CheckpointError(f"checkpoint {name} is damaged ({error}); {_CUT_SHORT}") from error
    finally:
        if isinstance(source, io.BytesIO):
            source.seek(0)
    if damaged is not None:
        raise CheckpointError(f"checkpoint {name} is damaged: {damaged} does not agree with its checksum; {_CUT_SHORT}")


def weights_of(checkpoint: Mapping[str, Any], name: str | Path) -> dict[str, Tensor]:
    """The weights of a checkpoint by the names of a model that is not wrapped.

    Args:
        checkpoint: from :func:`read_checkpoint`.
        name: of the file, for the message.

    Raises:
        CheckpointError: it holds none.
    """
    state = checkpoint.get("state_dict", checkpoint)
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        keys = ", ".join(map(str, list(checkpoint)[:_SHOWN])) or "nothing"
        raise CheckpointError(
            f"checkpoint {name} holds no weights: expected tensors by name, alone or under state_dict, got {keys}"
        )
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def model_faults(model: nn.Module, state: Mapping[str, Tensor], partial: bool = False) -> list[str]:
    """Why ``state`` does not fit ``model``.

    Args:
        model: the unwrapped model.
        state: entries of a checkpoint.
        partial: allow entries that the checkpoint lacks or has beyond the model's, not another shape.
    """
    own = model.state_dict()
    given = {name.removeprefix("module."): value for name, value in state.items()}
    shapes = [
        f"{name} is {tuple(given[name].shape)} in the checkpoint, {tuple(own[name].shape)} in the model"
        for name in own
        if name in given and given[name].shape != own[name].shape
    ]
    if partial:
        return shapes
    missing = [f"{name} is missing from the checkpoint" for name in own if name not in given]
    extra = [f"{name} is in the checkpoint, but not in the model" for name in given if name not in own]
    return missing + shapes + extra


def check_state(model: nn.Module, state: Mapping[str, Tensor], name: str | Path = "", remedy: str = "") -> None:
    """Raise unless ``state`` fits ``model``.

    Args:
        model: the unwrapped model.
        state: entries of a checkpoint.
        name: of the file, for the message.
        remedy: what to do about it, besides using the config that the weights were trained with.

    Raises:
        CheckpointError: with the first faults.
    """
    faults = model_faults(model, state)
    if faults:
        listed = "\n".join(list_rows(faults, _SHOWN))
        raise CheckpointError(
            f"the checkpoint{f' {name}' if name else ''} was made by another model:\n{listed}\n"
            f"Use the config it was trained with{'; ' if remedy else ''}{remedy}"
        )


def load_weights(model: nn.Module, path: str | Path, remedy: str = "") -> None:
    """Give a model the weights of a checkpoint, all of them.

    Args:
        model: the unwrapped model, on any device.
        path: see :func:`read_checkpoint`.
        remedy: what to do where they do not fit, besides using the config they were trained with.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it cannot be read safely, holds no weights, or those of another model.
    """
    state = weights_of(read_checkpoint(path), path)
    check_state(model, state, path, remedy)
    model.load_state_dict(state)


def write_checkpoint(checkpoint: Mapping[str, Any], path: str | Path) -> None:
    """Write a checkpoint whole or not at all; a file of that name stays until the new one is on the disk.

    Raises:
        OSError: it cannot be written; nothing of it is left.
    """
    target = Path(path)
    part = part_of(target)
    try:
        torch.save(dict(checkpoint), part)
        settle(part, target)
    except (OSError, RuntimeError) as error:  # torch's writer reports a full disk as a RuntimeError
        part.unlink(missing_ok=True)
        raise OSError(f"checkpoint {target} cannot be written: {error}") from error


def part_of(target: Path) -> Path:
    """Where a file is written before it gets its name: beside it, hidden."""
    return target.with_name(f".{target.name}.part")


def settle(part: Path, target: Path) -> None:
    """Give a written file its name once all of it is on the disk; from then on a crash leaves it there, whole."""
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, target)
    if os.name != "posix":
        return  # elsewhere folders cannot be opened
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
