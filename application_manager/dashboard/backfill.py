"""What a backfill of an instance would run, told before it is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from application_manager.api.guard import Operator
from application_manager.api.parts import PartsDep
from application_manager.api.schedules import InstanceId
from application_manager.asks import WOULD_RUN
from application_manager.dashboard.render import page, view_of
from application_manager.schedules import ConflictError
from common.schedule import spec_from_json

SECOND = timedelta(seconds=1)  # due times are whole seconds
Moment = Annotated[str, Query(max_length=32)]

router = APIRouter(include_in_schema=False)


class UnclearRangeError(ValueError):
    """The two ends do not make a range of the past."""


@dataclass(frozen=True)
class Span:
    """Both ends belong to it, as a person means them; the API leaves out the first."""

    first: datetime
    last: datetime

    @property
    def after(self) -> datetime:
        return self.first - SECOND


@router.get("/instances/{instance_id}/backfill", response_class=HTMLResponse)
def backfill_fragment(
    instance_id: InstanceId,
    request: Request,
    parts: PartsDep,
    actor: Operator,
    *,
    first: Moment = "",
    last: Moment = "",
) -> HTMLResponse:
    """Tell which due times of a range would run, or in words why the range cannot be taken."""
    view = view_of(request, parts, actor)
    try:
        span = span_of(first, last)
        items = parts.asks.preview_backfill(instance_id, span.after, span.last)
    except (UnclearRangeError, ConflictError) as error:
        return page(view, "backfill.html", wrong=str(error))
    with parts.screens.transaction() as transaction:
        row = transaction.one("one_instance", instance=instance_id)
    spec = spec_from_json(row["spec"]) if row else None
    return page(
        view, "backfill.html", wrong="", instance_id=instance_id, span=span, items=items,
        zone=spec.timezone if spec else None, overlap=spec.overlap if spec else "",
        left_out=left_out(items), runs=sum(each["verdict"] == WOULD_RUN for each in items),
    )  # fmt: skip


def span_of(first: str, last: str) -> Span:
    """Read the two ends, in UTC where they name no offset; raises `UnclearRangeError`."""
    span = Span(_moment(first, "from"), _moment(last, "to"))
    if span.first > span.last:
        raise UnclearRangeError("“from” is after “to”: exchange them")
    return span


def left_out(items: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    """Count the due times that would not run by why, the most frequent reason first."""
    return Counter(
        each["verdict"] for each in items if each["verdict"] != WOULD_RUN
    ).most_common()  # fmt: skip


def _moment(text: str, which: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
        _ = found - SECOND  # the first second there is has none before it
    except (ValueError, OverflowError):
        told = f"“{which}” is not a date and a time; write it like 2026-03-08T06:00"
        raise UnclearRangeError(told) from None
    return found
