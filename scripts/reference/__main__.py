"""Writes every generated page: ``python -m scripts.reference``."""

from __future__ import annotations

from scripts import asyncapi
from scripts.reference.pages import FOLDER, PAGES


def main() -> None:
    """Write the pages whose text has changed, and name them."""
    for name, text_of in {**PAGES, asyncapi.TARGET.name: asyncapi.text}.items():
        target, text = FOLDER / name, text_of()
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
            print(f"wrote {target.name}")


if __name__ == "__main__":
    main()
