"""Every link and picture of the documents leads somewhere; addresses are only looked at, never asked."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown.extensions.toc import slugify

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(\s*([^)\s]+)\s*\)")
_HEADING = re.compile(r"^#+\s+(.+?)\s*$", re.MULTILINE)


def text_of(page):
    """A page without its code, where brackets are no links."""
    return _FENCE.sub(lambda code: "" if code[0].startswith("```") else "code", page.read_text("utf-8"))


def anchors(page):
    """The names of a page's headings, as GitHub and mkdocs make them."""
    without_blocks = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return {slugify(re.sub(r"[`*]", "", heading), "-") for heading in _HEADING.findall(without_blocks)}


def broken(page):
    """What is wrong with each link of a page that leads nowhere."""
    found = []
    for target in _LINK.findall(text_of(page)):
        parts = urlsplit(target)
        if parts.scheme:
            if parts.scheme != "https" or "." not in parts.netloc:
                found.append(f"{target}: not an address of the form https://host/path")
            continue
        to = (page.parent / parts.path).resolve() if parts.path else page
        if not to.exists():
            found.append(f"{target}: there is no such file")
        elif parts.fragment and parts.fragment not in anchors(to):
            found.append(f"{target}: no heading of that name")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page):
    assert broken(page) == []


def test_links_are_found_and_broken_ones_are_named(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading: two\n[a](page.md#a-heading-two) [b](#nowhere) ![c](none.png) `[d](none.md)`\n"
        "[e](http://insecure.org) [f](https://a.org/x)\n```\n[g](none.md)\n```\n"
    )
    assert [line.split(":")[0] for line in broken(page)] == ["#nowhere", "none.png", "http"]
