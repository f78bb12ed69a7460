"""Who is told when jobs go wrong, and what they were told."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from application_manager.api.guard import Viewer
from application_manager.api.parts import PartsDep
from application_manager.channels import Channels
from application_manager.dashboard.render import page, view_of
from application_manager.domain.channels import KINDS, TEST

PAGE = 50
_LAST = 2**62

router = APIRouter(include_in_schema=False)


@router.get("/notices", response_class=HTMLResponse)
def notices_page(
    request: Request,
    parts: PartsDep,
    actor: Viewer,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    """List channels with what became of their last notice, and the newest notices."""
    view = view_of(request, parts, actor)
    channels = Channels(parts.screens, parts.clock)
    told = channels.told(before or _LAST, PAGE + 1)
    more = view.url(before=told[PAGE - 1]["notice_id"]) if len(told) > PAGE else None
    return page(view, "notices.html", channels=channels.all(), told=told[:PAGE], more=more,
                kinds=KINDS, test=TEST)  # fmt: skip
