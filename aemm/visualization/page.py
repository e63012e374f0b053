"""A page of text and pictures in one html file, to look at in a browser or to send to somebody."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import cv2
import numpy as np

_QUALITY = 85
_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}"
    "figure{display:inline-block;margin:0 1em 1em 0;vertical-align:top}"
    "figcaption{font-size:13px;max-width:480px;overflow-wrap:anywhere}"
    "table{border-collapse:collapse}td{padding:.1em 1.5em .1em 0}img{max-width:480px}"
)


@dataclass
class Section:
    """A heading with what stands under it, in this order.

    Attributes:
        title: the heading.
        level: 1 for that of the page, 2 for a part of it, and so on.
        rows: a table, each row a list of texts.
        lines: a list of sentences.
        pictures: ``(H, W, 3) uint8`` RGB, each with its caption.
    """

    title: str
    level: int = 2
    rows: Sequence[Sequence[str]] = ()
    lines: Sequence[str] = ()
    pictures: list[tuple[np.ndarray, str]] = field(default_factory=list)


def page_of(sections: Iterable[Section]) -> str:
    """The html of a page that needs no other file.

    Args:
        sections: the first one names the page.
    """
    sections = list(sections)
    head = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(sections[0].title)}</title>"
    return "\n".join([f"{head}<style>{_STYLE}</style>", *map(_section, sections), "</html>", ""])


def write_page(path: str | Path, sections: Iterable[Section]) -> None:
    """Write a page, with the folders above it.

    Raises:
        OSError: it cannot be written there.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(page_of(sections), encoding="utf-8", errors="backslashreplace")  # of names that are no text


def _section(section: Section) -> str:
    parts = [f"<h{section.level}>{escape(section.title)}</h{section.level}>"]
    rows = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in section.rows]
    if rows:
        parts.append("<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>")
    if section.lines:
        parts.append("<ul>" + "".join(f"<li>{escape(line)}</li>" for line in section.lines) + "</ul>")
    for picture, caption in section.pictures:
        parts.append(
            f"<figure><img alt='' src='{_address(picture)}'><figcaption>{escape(caption)}</figcaption></figure>"
        )
    return "\n".join(parts)


def _address(picture: np.ndarray) -> str:
    """A picture as an address that holds it."""
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
