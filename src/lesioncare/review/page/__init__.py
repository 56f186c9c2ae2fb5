"""The files of the page, as they are sent: no build step, and nothing from elsewhere."""

from importlib.resources import files

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

__all__ = ["page_files"]


def page_files() -> dict[str, tuple[bytes, str]]:
    """Name -> content and media type of every file of the page. A name that is not here is not sent."""
    found = {}
    for file in files(__name__).iterdir():
        kind = _TYPES.get(file.name.rpartition(".")[2])
        if kind is not None:
            found[file.name] = (file.read_bytes(), kind)
    return found
