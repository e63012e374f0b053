"""File formats: what a file may hold, how it is read, and what is said of one that cannot be."""

from aemm.formats.files import AnnotationError
from aemm.formats.image import load_image
from aemm.formats.paths import NoPictureError, UnreadableImageError
from aemm.formats.picture_names import picture_name
from aemm.formats.shards import register_shards
from aemm.formats.stores import register_stores
from aemm.formats.video import open_frames

register_stores()
register_shards()

__all__ = [
    "AnnotationError",
    "NoPictureError",
    "UnreadableImageError",
    "load_image",
    "open_frames",
    "picture_name",
]
