"""What a service does not import at its start, since nothing of it is used."""

from __future__ import annotations

import importlib
import sys

import pytest

from common.lean_structlog import without


def test_what_is_not_wanted_is_as_if_it_were_not_installed_and_only_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with without("colorsys"), pytest.raises(ImportError):
        importlib.import_module("colorsys")
    there = importlib.import_module("colorsys")
    with without("colorsys"):
        assert importlib.import_module("colorsys") is there, "who has it keeps it"
