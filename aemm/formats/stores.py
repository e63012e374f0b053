"""Object stores and whatever else fsspec reaches, as a file backend of mmengine."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, BinaryIO

from mmengine.fileio import register_backend
from mmengine.fileio.backends import BaseStorageBackend

PROTOCOLS = ("abfs", "adl", "az", "file", "ftp", "gcs", "gs", "hdfs", "hf", "memory", "oci", "oss", "s3", "sftp", "smb")


class FsspecBackend(BaseStorageBackend):
    """Files behind addresses such as ``s3://bucket/name``, read by fsspec and the package that it names for each store.

    Credentials are found as that package finds them: in its environment variables and files.

    Args:
        options: of the file system, such as ``anon=True`` for a public bucket.
    """

    def __init__(self, **options: Any) -> None:
        self.options = options

    def get(self, filepath: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: there is no such file.
            OSError: the store cannot be read.
            ImportError: fsspec, or what it needs for this store, is not installed.
        """
        return self._ask(filepath, "cat_file")

    def get_part(self, filepath: str, start: int, end: int) -> bytes:
        """Bytes ``start`` to ``end`` of a file; raises as :meth:`get` does."""
        return self._ask(filepath, "cat_file", start=start, end=end)

    def get_text(self, filepath: str, encoding: str = "utf-8") -> str:
        """The content of a file as text; raises as :meth:`get` does."""
        return self.get(filepath).decode(encoding)

    def exists(self, filepath: str) -> bool:
        """Whether there is such a file; raises as :meth:`get` does."""
        return bool(self._ask(filepath, "exists"))

    def open(self, filepath: str) -> BinaryIO:
        """A file to read from any place; raises as :meth:`get` does."""
        opened: BinaryIO = self._ask(filepath, "open", mode="rb")
        return opened

    def _ask(self, address: str, method: str, **words: Any) -> Any:
        try:
            url_to_fs = import_module("fsspec.core").url_to_fs
        except ImportError as error:
            raise ImportError(
                f'{address} is read by fsspec, which cannot be imported ({error}): pip install "aemm[fsspec]"'
            ) from error
        try:
            system, path = url_to_fs(str(address), **self.options)
            return getattr(system, method)(path, **words)
        except (ImportError, FileNotFoundError):
            raise
        except Exception as error:  # each store has errors of its own
            raise OSError(f"{address} cannot be read: {type(error).__name__}: {error}") from error


def register_stores() -> None:
    """Let mmengine read these addresses; those of s3 by Petrel where its client is installed, as before."""
    kept = {"s3"} if find_spec("petrel_client") else set()
    register_backend("fsspec", FsspecBackend, prefixes=[name for name in PROTOCOLS if name not in kept], force=True)
