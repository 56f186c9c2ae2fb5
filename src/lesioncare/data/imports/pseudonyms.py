"""Names for patients that tell which images belong together, and nothing else."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from lesioncare.boxes.formats.atomic import writing_file
from lesioncare.errors import DataError

KEY_BYTES = 32

__all__ = ["group_key", "pseudonym"]


def pseudonym(patient: str, key: bytes) -> str:
    """A name of 16 hexadecimal digits, from HMAC-SHA256 of the patient's id.

    Record numbers are few enough to be tried one after the other, so a hash alone would give them away; the
    key does not stand in the table.

    Example:
        >>> pseudonym("4711", b"k") == pseudonym("4711", b"k") != pseudonym("4711", b"other")
        True
    """
    return "p" + hmac.new(key, patient.encode(), hashlib.sha256).hexdigest()[:16]


def group_key(path: Path | None) -> bytes:
    """A random key; with a path the one that is kept there, so that tables agree, made where it is missing.

    Raises:
        DataError: the file cannot be read or written, or is no key.
    """
    if path is None:
        return secrets.token_bytes(KEY_BYTES)
    try:
        if path.exists():
            text = path.read_text(encoding="ascii").strip()
            if not text:
                raise DataError(
                    f"{path}: is empty. Delete it, and a new key is made there; in the tables that were made "
                    "with an older key, patients have other names."
                )
            if len(text) != 2 * KEY_BYTES:
                raise DataError(f"{path}: not a key of lesioncare. Name another file.")
            return bytes.fromhex(text)
        key = secrets.token_bytes(KEY_BYTES)
        _keep(key, path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable or writable key file ({error}). Name another.") from error
    return key


def _keep(key: bytes, path: Path) -> None:
    """Write a key that nobody else may read, whole or not at all; none that is there by now is replaced."""
    with writing_file(path) as temporary:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())  # or a power cut may leave the name with nothing in it
        try:
            os.link(temporary, path)  # unlike a rename it fails where another process was faster
        except FileExistsError:
            raise
        except OSError:  # a file system without links, as of a USB stick
            return
