"""Libraries that need not be installed: imported when asked for, explained when absent, passed over when broken."""

from __future__ import annotations

import sys
import warnings
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

TORCHVISION = (
    "torch and torchvision must come from the same index. For a torch without CUDA: pip install --force-reinstall "
    "--no-deps torchvision --index-url https://download.pytorch.org/whl/cpu"
)


def library(name: str, needed_by: str, extra: str = "") -> Any:
    """A module of a library that an extra brings.

    Args:
        name: of the module.
        needed_by: who asks, for the message.
        extra: its name; by default that of the library.

    Raises:
        ImportError: it is not installed, or does not start.
    """
    extra = extra or name.partition(".")[0]
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        absent = error.name or name
        fault = torchvision_fault() if absent.startswith("torchvision") else ""  # which may have been passed over
        if not fault:
            raise ImportError(
                f'{needed_by} needs {name}, but {absent} is not installed; pip install "aemm[{extra}]"', name=name
            ) from error
        cause: Exception = error
    except Exception as error:  # a compiled part that finds another torch raises whatever it stumbles over
        fault, cause = _first_line(error), error
    remedy = f" {TORCHVISION}" if "torchvision" in str(cause) else ""
    raise ImportError(
        f"{needed_by} needs {name}, which is installed but does not start ({fault}).{remedy}", name=name
    ) from cause


@cache
def torchvision_fault() -> str:
    """Why torchvision does not start, such as one built for another torch; "" where it does or is not installed."""
    if find_spec("torchvision") is None:
        return ""
    try:
        import_module("torchvision")
    except Exception as error:
        return _first_line(error)
    return ""


def pass_over_broken_torchvision() -> None:
    """Let others believe that torchvision is not installed where it does not start.

    It ends whatever imports it, though nobody here needs it: mmengine asks for its version.
    """
    if fault := torchvision_fault():
        sys.modules["torchvision"] = None  # type: ignore[assignment]
        warnings.warn(
            f"torchvision is installed but does not start ({fault}), and is passed over. {TORCHVISION}", stacklevel=2
        )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
