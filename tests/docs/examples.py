"""Takes the examples out of a page: console commands, Python and files, in the page's order."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "index.md", DOCS / "tour.md", DOCS / "method.md", *sorted((DOCS / "howto").glob("*.md"))]

_BLOCK = re.compile(
    r'^```(?P<kind>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Example:
    """A fenced block: its language, the file's name if it is one, and its text."""

    kind: str
    title: str | None
    text: str

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command: after a prompt in a console, every line but comments in a script."""
        lines = self.text.replace("\\\n", " ").splitlines()
        if self.kind == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def examples(page: Path) -> list[Example]:
    """The blocks of a page."""
    found = _BLOCK.finditer(page.read_text("utf-8"))
    return [Example(block["kind"], block["title"], block["text"]) for block in found]
