"""Files fetched over the network: whole or not at all, continued where they were interrupted, checked by their hash."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import string
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import aemm
from aemm.formats.checkpoint import CheckpointError

Report = Callable[[int, int | None], None]
"""Is told how many bytes are there and how many there will be, None where the server does not say."""

_CHUNK = 1 << 20
_TIMEOUT = 30.0  # seconds without a byte
_TRIES = 3  # a connection may break that often before the command ends


class _CutShortError(OSError):
    """The connection ended before the file did."""


_BROKEN = (_CutShortError, ConnectionError, TimeoutError, http.client.HTTPException)
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def cache_folder() -> Path:
    """The folder of all that aemm downloads: ``AEMM_HOME``, or ``aemm`` in the user's cache.

    Raises:
        OSError: nothing says where the user's files are.
    """
    home = os.environ.get("AEMM_HOME")
    try:
        return Path(home or os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / ("" if home else "aemm")
    except RuntimeError as error:  # as for a number that is no user, in a container
        raise OSError(
            "this user has no home folder to keep downloads in; set AEMM_HOME to a folder for them"
        ) from error


def fetch(address: str, target: Path, sha256: str | None = None, report: Report | None = None) -> Path:
    """Download a file unless it is there. Where nothing is to be downloaded, nothing is asked of the network.

    What an interruption leaves is kept as ``NAME.part``, and the next call goes on behind it if the server still has
    the same file. Proxies are those of the environment: ``http_proxy``, ``https_proxy``, ``no_proxy``. Of several
    processes that want the file, one downloads it, and the others wait.

    Args:
        address: ``http://`` or ``https://``.
        target: where it is to be; its folder is made.
        sha256: the beginning of its hash in hexadecimal digits; None where it is not known.
        report: told of the progress.

    Raises:
        CheckpointError: it cannot be had, or has another hash.
        OSError: it cannot be written.
    """
    if not address.startswith(("http://", "https://")):
        raise CheckpointError(f"{address} is no address to download from; expected http:// or https://")
    target.parent.mkdir(parents=True, exist_ok=True)
    while not target.is_file():
        if _fetch_alone(address, target, sha256, report):
            return target
    check_hash(target, sha256, f"delete it, and it is fetched from {address}")
    return target


def _fetch_alone(address: str, target: Path, sha256: str | None, report: Report | None) -> bool:
    """Download a file; False where another process was at it, whose end was waited for."""
    part = target.with_name(f"{target.name}.part")
    with part.open("ab") as file, alone(file):
        if not _is_at(file, part):
            return False  # it became the file, or was deleted since its hash was wrong
        if target.is_file():
            part.unlink()  # that which was opened here, empty
            return False
        try:
            _download(address, file, target, report)
            file.flush()
        except BaseException:
            if not os.fstat(file.fileno()).st_size:  # nothing to go on behind
                part.unlink()
                _tag_file(target).unlink(missing_ok=True)
            raise
        os.fsync(file.fileno())
        try:
            check_hash(part, sha256, f"it was deleted. Was it damaged on the way? It came from {address}")
        except CheckpointError:
            part.unlink()
            raise
        finally:
            _tag_file(target).unlink(missing_ok=True)
        part.rename(target)
    return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is still the one of this name; another process may have moved or deleted it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def check_hash(path: Path, sha256: str | None, remedy: str) -> None:
    """Raise unless the hash of a file begins as it should.

    Args:
        path: of the file.
        sha256: the beginning of its hash; None is fulfilled.
        remedy: the end of the message.

    Raises:
        CheckpointError: it does not.
    """
    if sha256 is None:
        return
    with path.open("rb") as file:
        found = _digest(file)
    if not found.startswith(sha256.lower()):
        raise CheckpointError(
            f"{path} is not the file that was published: its SHA-256 begins with {found[: len(sha256)]}, expected "
            f"{sha256}; {remedy}"
        )


def _digest(file: BinaryIO) -> str:
    """The SHA-256 of a file; ``hashlib.file_digest`` is not in Python 3.10."""
    found = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        found.update(chunk)
    return found.hexdigest()


@contextmanager
def alone(file: BinaryIO) -> Iterator[None]:
    """Wait until no other process is in here with the same file; where the system cannot tell, go on at once.

    Args:
        file: open; where it is closed, others may go on.
    """
    if sys.platform != "win32":
        import fcntl

        with suppress(OSError):  # some network disks know no locks
            fcntl.flock(file, fcntl.LOCK_EX)
    yield


def _tag_file(target: Path) -> Path:
    """Where it is noted which version of the file a part is of."""
    return target.with_name(f"{target.name}.part.tag")


def _download(address: str, file: BinaryIO, target: Path, report: Report | None) -> None:
    """Append what is missing of a file, trying again where the connection breaks."""
    for left in reversed(range(_TRIES)):
        try:
            return _append(address, file, _tag_file(target), report)
        except urllib.error.HTTPError as error:
            if error.code < 500 or not left:
                raise _unfetched(address, target, f"the server answers {error.code} {error.reason}", file) from error
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
                raise OSError(error.errno, error.strerror, str(target)) from error
            if not left or not isinstance(error, _BROKEN):
                reason = str(getattr(error, "reason", "") or error or type(error).__name__)
                raise _unfetched(address, target, reason, file) from error
    raise AssertionError("the last try returns or raises")


def _size(file: BinaryIO) -> int:
    file.flush()
    return os.fstat(file.fileno()).st_size


def _unfetched(address: str, target: Path, reason: str, file: BinaryIO) -> CheckpointError:
    there = _size(file)
    kept = f" {there} bytes are kept, and the next try goes on behind them." if there else ""
    return CheckpointError(
        f"{address} cannot be downloaded ({reason}).{kept} Behind a proxy set https_proxy. Or fetch it by other means "
        f"and put it at {target}"
    )


def _append(address: str, file: BinaryIO, tag_file: Path, report: Report | None) -> None:
    """One request for what is behind the end of the part."""
    there = _size(file)
    headers = {"User-Agent": f"aemm/{aemm.__version__}", "Accept-Encoding": "identity"}
    if there:
        headers["Range"] = f"bytes={there}-"
        if tag := tag_file.read_text(encoding="utf-8") if tag_file.is_file() else "":
            headers["If-Range"] = tag
    opener = urllib.request.build_opener()  # reads the proxies anew; the default one keeps those of its first use
    written = urllib.parse.quote(address, safe=string.punctuation)  # spaces and letters beyond ASCII
    try:
        answer = opener.open(urllib.request.Request(written, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        if error.headers.get("Content-Range", "").strip() == f"bytes */{there}":
            return  # it was whole
        file.truncate(0)
        raise _CutShortError(f"the server has no byte {there}") from error
    with answer:
        if answer.headers.get_content_type() == "text/html":
            raise urllib.error.URLError("the server sends a web page, such as one to log in, and no file")
        start, total = _extent(answer)
        if start > there:
            raise http.client.HTTPException("the server sends another part than it was asked for")
        if start < there:
            file.truncate(start)  # another version, or a server that cannot go on
        tag_file.write_text(_version_tag(answer), encoding="utf-8")
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            start += len(chunk)
            if report is not None:
                report(start, total)
    if total is not None and start < total:
        raise _CutShortError(f"the connection ended after {start} of {total} bytes")


def _extent(answer: Any) -> tuple[int, int | None]:
    """At which byte of the file an answer starts, and how many the file has."""
    if answer.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", "").strip())
        if found is None:
            raise http.client.HTTPException("the server sends a part without saying which")
        return int(found[1]), None if found[2] == "*" else int(found[2])
    length = answer.headers.get("Content-Length")
    return 0, int(length) if length and length.isdigit() else None


def _version_tag(answer: Any) -> str:
    """What tells this version of a file from others; empty where nothing sure does."""
    etag = answer.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
