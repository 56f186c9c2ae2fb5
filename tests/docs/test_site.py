import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; any warning of mkdocs is an error."""
    to = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(to)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return to


pytestmark = pytest.mark.slow


def test_no_page_needs_the_network(site):
    asked = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"?(https?:|//)[^>]*>")
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        found = [tag[0] for tag in asked.finditer(page.read_text("utf-8")) if 'rel="canonical"' not in tag[0]]
        assert found == [], page
    assert all("url(http" not in sheet.read_text("utf-8") for sheet in site.rglob("*.css"))


def test_formulas_are_drawn_by_the_browser(site):
    method = (site / "method.html").read_text("utf-8")
    assert method.count("<math") > 10
    assert "arithmatex" not in method


def test_every_public_name_is_in_the_reference(site):
    import lesioncare  # noqa: PLC0415

    reference = "".join(page.read_text("utf-8") for page in (site / "api").glob("*.html"))
    missing = [
        name for name in lesioncare.__all__ if not re.search(rf'id="lesioncare\.[\w.]*\b{name}"', reference)
    ]
    assert missing == []


def test_links_out_of_the_documents_become_paths(site):
    evidence = (site / "evidence.html").read_text("utf-8")
    assert 'href="../benchmarks' not in evidence
    assert "<code>benchmarks/evidence/PROTOCOL.md</code>" in evidence
