"""Names of the picture files that belong to images."""

from __future__ import annotations

import re
from hashlib import sha256

from aemm.records import ImageId

_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,95}")
_MARKED = re.compile(r".*-[0-9]{14}")  # looks like a name made here
_NUMBER = re.compile(r"0|[1-9][0-9]*")  # a text that a number would give, too
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # no file names on Windows
_SHOWN = 48  # characters of an identifier, of 4 bytes each at most; file systems take 255


def picture_name(image_id: ImageId, ending: str = ".png") -> str:
    """A file name for an image, different for different identifiers on every file system.

    An identifier of lower-case letters, digits, ``.``, ``_`` and ``-`` is its own name. Any other one gives its
    last characters, with what no file name can hold replaced, and a mark that follows from all of it.

    Args:
        image_id: number or text, such as a path.
        ending: of the file, with its dot.

    >>> picture_name(139), picture_name("a b.png") == picture_name("a_b.png")
    ('139.png', False)
    """
    text = str(image_id)
    number_as_text = isinstance(image_id, str) and _NUMBER.fullmatch(text)
    plain = _PLAIN.fullmatch(text) and not text.endswith(".") and not _RESERVED.fullmatch(text)
    if plain and not number_as_text and not _MARKED.fullmatch(text):
        return text + ending
    digest = sha256(f"{type(image_id).__name__}:{text}".encode("utf-8", "surrogatepass")).digest()
    return f"{_readable(text)}-{int.from_bytes(digest[:8], 'big') % 10**14:014d}{ending}"


def _readable(text: str) -> str:
    """The last words of an identifier: as many parts of a path as there is room for."""
    *folders, shown = re.sub(r"[^\w./\\-]+", "_", text).replace("\\", "/").split("/")
    while folders and len(folders[-1]) + 1 + len(shown) <= _SHOWN:
        shown = f"{folders.pop()}_{shown}"
    shown = shown[-_SHOWN:].strip("._-") or "image"
    return f"image_{shown}" if _RESERVED.fullmatch(shown.lower()) else shown
