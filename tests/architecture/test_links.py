"""No link of the documents leads nowhere: files, and the headings within them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {".venv", ".build", ".git", ".rota", "node_modules"}
PAGES = sorted(
    path for path in ROOT.rglob("*.md") if not SKIPPED & set(path.relative_to(ROOT).parts)
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
OUTSIDE = re.compile(r"[a-z]+:")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose_of(path: Path) -> str:
    """Return a page without its blocks of code."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def anchors_of(path: Path) -> set[str]:
    """Name a page's headings as GitHub does in links."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+)$", prose_of(path), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        number = 0
        while (slug if number == 0 else f"{slug}-{number}") in found:
            number += 1
        found.add(slug if number == 0 else f"{slug}-{number}")
    return found


def dead_links(path: Path) -> list[str]:
    dead = []
    for link in LINK.findall(prose_of(path)):
        if OUTSIDE.match(link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_no_link_is_dead(path):
    assert dead_links(path) == []


def test_every_page_is_reached_from_the_table_of_contents():
    index = ROOT / "docs" / "index.md"
    reached = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(prose_of(index))}
    pages = {path for path in (ROOT / "docs").rglob("*.md") if path != index}
    folders = {path for path in reached if path.is_dir()}
    missed = {path for path in pages - reached if not folders & set(path.parents)}
    assert {name_of(path) for path in missed} == set()


def test_dead_links_are_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One `two`\n[a](page.md) [b](page.md#one-two) [c](#one-two) [d](#no) [e](no.md)\n")
    assert dead_links(page) == ["#no", "no.md"]
