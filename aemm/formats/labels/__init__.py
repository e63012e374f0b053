"""Formats of labelling tools: each is read into :class:`LabelledSet`, which is written as COCO files and skeletons."""

from aemm.formats.labels.records import LabelledSet
from aemm.formats.labels.writing import Written, write_labelled

__all__ = ["LabelledSet", "Written", "write_labelled"]
