"""File formats: what a file may hold, how it is read, and what is said of one that cannot be."""

from aemm.formats.files import AnnotationError
from aemm.formats.image import load_image
from aemm.formats.paths import NoPictureError, UnreadableImageError
from aemm.formats.picture_names import picture_name
from aemm.formats.video import open_frames

__all__ = [
    "AnnotationError",
    "NoPictureError",
    "UnreadableImageError",
    "load_image",
    "open_frames",
    "picture_name",
]
