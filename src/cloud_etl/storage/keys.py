"""Keys of objects: which are safe to use, and how one is taken from a url."""

from __future__ import annotations

import re

from cloud_etl.errors import UnsafeKeyError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def key_problem(key: str) -> str | None:
    """Why a key cannot be used, or None for a key that stays below its store on every backend.

    Empty, `.` and `..` parts and control characters are legal in S3 and have no place in a folder, or another one.
    """
    if _CONTROL.search(key):
        return "control character in the name"
    if not _is_utf8(key):
        return "name is not UTF-8"
    parts = key.split("/")
    if ".." in parts:
        return "a part .. would leave the folder"
    if key.startswith("/"):
        return "an absolute path would leave the folder"
    if "" in parts or "." in parts:
        return "empty or . part in the path"
    return None


def checked(key: str) -> str:
    """The key itself.

    Raises:
        UnsafeKeyError: it could leave the store; nothing was read or written.
    """
    problem = key_problem(key)
    if problem is not None:
        raise UnsafeKeyError(f"key {key!r} is refused: {problem}. Nothing was read or written. Rename the object.")
    return key


def _is_utf8(key: str) -> bool:
    # A file name that is not UTF-8 comes from the system with lone surrogates.
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True
