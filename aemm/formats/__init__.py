"""File formats: what a file may hold, how it is read, and what is said of one that cannot be."""

from aemm.formats.files import AnnotationError
from aemm.formats.image import UnreadableImageError, load_image

__all__ = ["AnnotationError", "UnreadableImageError", "load_image"]
