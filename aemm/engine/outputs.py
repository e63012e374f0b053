"""Places to write to, tried before the work whose results they are to hold."""

from __future__ import annotations

import os
from pathlib import Path


def check_folder(path: str | Path, argument: str) -> None:
    """Make a folder if there is none, and see that files can be written in it.

    Args:
        path: the folder.
        argument: of the command line that names it, for the message.

    Raises:
        PermissionError: it cannot be made or written to.
    """
    try:
        os.makedirs(path, exist_ok=True)
        _try_to_write(Path(path) / f".write_test_{os.getpid()}")
    except OSError as error:
        raise _refusal(f"folder {path}", _reason(error), argument) from error


def check_file(path: str | Path, argument: str, *sources: str | Path) -> None:
    """Make the folder of a file if there is none, and see that the file can be written there.

    A file that exists stays as it is.

    Args:
        path: the file.
        argument: of the command line that names it, for the message.
        sources: files that are read meanwhile, so that it must be none of them.

    Raises:
        PermissionError: it cannot be written to, or is one of the sources.
    """
    file = Path(path)
    if file.is_dir():
        raise _refusal(path, "it is a folder, not a file", argument)
    if any(file.exists() and Path(source).exists() and file.samefile(source) for source in sources):
        raise _refusal(path, "it is also what is read", argument)
    try:
        os.makedirs(file.parent, exist_ok=True)
        if file.exists():
            file.open("ab").close()
        else:
            _try_to_write(file.with_name(f"{file.name}.{os.getpid()}"))
    except OSError as error:
        raise _refusal(path, _reason(error), argument) from error


def _try_to_write(file: Path) -> None:
    file.touch()
    file.unlink(missing_ok=True)  # another thread may have tried at the same time


def _reason(error: OSError) -> str:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"{error.filename} is not below a folder"
    return error.strerror or str(error)


def _refusal(what: str | Path, reason: str, argument: str) -> PermissionError:
    return PermissionError(f"{what} cannot be written to ({reason}); choose another {argument}")
