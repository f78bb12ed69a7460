"""Instants as callers write them: with an offset, within what can be reckoned with and stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

FIRST_YEAR, LAST_YEAR = 1000, 9998
"""MySQL's DATETIME begins with the year 1000; after 9998 a day later would be beyond Python's."""


def in_utc(moment: datetime) -> datetime:
    """Return an aware instant in UTC; `ValueError` outside the years that are known here."""
    try:
        there = moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(_said()) from error
    if not FIRST_YEAR <= there.year <= LAST_YEAR:
        raise ValueError(_said())
    return there


def _said() -> str:
    return f"the year must be between {FIRST_YEAR} and {LAST_YEAR}, in UTC"


Instant = Annotated[AwareDatetime, AfterValidator(in_utc)]
"""A date and time with an offset, as UTC; others are a 422."""
