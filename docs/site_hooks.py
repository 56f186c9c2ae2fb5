"""What mkdocs does to every page of the site: formulas become MathML, links out of docs/ become paths.

Browsers draw MathML themselves, so that the site ships no script for formulas. A link to a file beside docs/
(a benchmark, an example) has no page to lead to; GitHub follows it, the site names the file.
"""

import html
import posixpath
import re
from typing import Any

from latex2mathml.converter import convert

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)")
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Name the files outside docs/ that a page links to."""
    folder = posixpath.dirname(page.file.src_uri)

    def named(link: re.Match[str]) -> str:
        target = link["target"]
        path = posixpath.normpath(posixpath.join("docs", folder, target))
        if ":" in target or path.startswith("docs/"):
            return link[0]
        return link["text"] if path in link["text"] else f"{link['text']} (`{path}`)"

    return _LINK.sub(named, markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Draw the formulas that arithmatex has found."""

    def drawn(found: re.Match[str]) -> str:
        return convert(html.unescape(found[2]), display="inline" if found[1] == "span" else "block")

    return _FORMULA.sub(drawn, content)
