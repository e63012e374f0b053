"""Files at web addresses: fetched within limits of size and time."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from http.client import HTTPException

MAX_DOWNLOAD = 2**27  # bytes; an image of as many pixels as are allowed seldom takes more
TIMEOUT = 10.0  # s without an answer
PATIENCE = 120.0  # s for a whole file, however it trickles in
_PIECE = 2**16


def is_web(name: str) -> bool:
    """Whether a name is an address that is fetched whole or streamed over HTTP.

    >>> is_web("https://example.org/a.jpg"), is_web("rtsp://example.org/1")
    (True, False)
    """
    return name.lower().startswith(("http://", "https://"))


def fetch(address: str, most: int | None = None) -> bytes:
    """What is at an address.

    Args:
        address: with ``http://`` or ``https://``; proxies are those of the environment.
        most: bytes to read, where the beginning is enough; None reads all.

    Raises:
        OSError: there is no answer in time, the server refuses, or the file is larger than :data:`MAX_DOWNLOAD`.
    """
    request = urllib.request.Request(address, headers={"User-Agent": "aemm"})
    until = time.monotonic() + PATIENCE
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            if most is not None:
                return bytes(answer.read(most))
            parts, size = [], 0
            while part := answer.read(_PIECE):
                parts.append(part)
                size += len(part)
                if size > MAX_DOWNLOAD:
                    raise OSError(f"it is larger than {MAX_DOWNLOAD} bytes; download it and give the file")
                if time.monotonic() > until:
                    raise OSError(f"it did not arrive within {PATIENCE:g} s; download it and give the file")
            promised = int(answer.headers.get("Content-Length") or size)
    except urllib.error.HTTPError as error:
        raise OSError(f"the server answers {error.code} {error.reason}; check the address") from error
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise OSError(f"no answer: {reason or type(error).__name__}; check address and network") from error
    if size < promised:
        raise OSError(f"it broke off after {size} of {promised} bytes; try again")
    return b"".join(parts)
