"""Texts and xml documents of labelling tools, opened safely."""

from __future__ import annotations

import json
import os
from typing import Any
from xml.etree import ElementTree

from aemm.formats.files import AnnotationError
from aemm.formats.paths import UnreadableImageError, read_bytes

MAX_BYTES = 2**28
"""Of a file of labels."""


def read_text(path: str) -> str:
    """A file of labels as text; a byte order mark is passed over.

    Raises:
        FileNotFoundError: there is no such file.
        AnnotationError: it cannot be opened, is too large, or no UTF-8 text.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"file of labels {path} does not exist")
    if os.path.isfile(path) and not os.path.getsize(path):
        return ""
    try:
        data = read_bytes(path, "file of labels")
    except UnreadableImageError as error:
        raise AnnotationError(path, [str(error)]) from error
    if len(data) > MAX_BYTES:
        raise AnnotationError(path, [f"it has {len(data)} bytes, up to {MAX_BYTES} are read; split it"])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = f"byte 0x{error.object[error.start]:02x} at {error.start}"
        raise AnnotationError(path, [f"not UTF-8 text ({byte}); save it as UTF-8"]) from error


def read_json_text(path: str) -> Any:
    """The content of a json file of any shape.

    Raises:
        FileNotFoundError: there is no such file.
        AnnotationError: it is no json.
    """
    try:
        return json.loads(read_text(path))
    except AnnotationError:
        raise
    except (ValueError, RecursionError) as error:
        raise AnnotationError(path, [f"not valid json: {error}"]) from error


def read_xml(path: str) -> ElementTree.Element:
    """The root of an xml file, which may declare no entities: they could fill the memory or read other files.

    Raises:
        FileNotFoundError: there is no such file.
        AnnotationError: it is no xml, or declares a document type.
    """
    return parse_xml(path, read_text(path))


def parse_xml(path: str, text: str) -> ElementTree.Element:
    """The root of an xml text.

    Args:
        path: of the file, for messages.
        text: its content.

    Raises:
        AnnotationError: it is no xml, or declares a document type, without which there are no entities.
    """
    if "<!DOCTYPE" in text:
        raise AnnotationError(path, ["it declares a document type (<!DOCTYPE), which no tool needs; remove it"])
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise AnnotationError(path, [f"not valid xml: {error}"]) from error
