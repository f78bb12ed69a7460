"""The plain first page: instances, jobs and nodes as tables, and the way to log in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import DictLoader, Environment

from application_manager.api.guard import COOKIE, Anybody, Viewer, require_same_origin
from application_manager.api.parts import PartsDep
from application_manager.api.schedules import instance_view
from application_manager.ledger import JobFilter, list_jobs, list_nodes, upcoming_jobs
from application_manager.people import LoginRefusedError, TooManyTriesError

ROWS = 200
_BASE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Rota</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body>{% block body %}{% endblock %}</body></html>"""
_LOGIN = """{% extends "base" %}{% block body %}<main><h1>Rota</h1>
{% if wrong %}<p role="alert">{{ wrong }}</p>{% endif %}
<form method="post" action="/login"><p><label>Name <input name="name" autocomplete="username"
required autofocus></label></p><p><label>Password <input type="password" name="password"
autocomplete="current-password" required></label></p><button>Log in</button></form>
</main>{% endblock %}"""
_FIRST = """{% extends "base" %}{% block body %}<main><h1>Rota</h1>
<p>Seen by {{ actor.name }} at {{ now|moment }}. Times are UTC.</p>
{% for title, columns, rows in tables %}<h2>{{ title }}</h2>
{% if rows %}<table border="1"><thead><tr>{% for c in columns %}<th scope="col">{{ c }}</th>
{% endfor %}</tr></thead><tbody>{% for row in rows %}<tr>{% for c in columns %}
<td>{{ row[c]|moment }}</td>{% endfor %}</tr>{% endfor %}</tbody></table>
{% else %}<p>None yet.</p>{% endif %}{% endfor %}</main>{% endblock %}"""

_INSTANCES = ("instance", "state", "version", "next_due", "next_stop", "app", "machine")
_JOBS = ("job_id", "due", "state", "reason", "node", "started_at", "ended_at", "stop_at",
         "exit_code", "lateness_ms")  # fmt: skip
_NODES = ("node", "state", "cpu", "ram", "load", "sampled_at", "jobs", "standalone_job", "labels")

router = APIRouter(include_in_schema=False)


def _moment(value: Any) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        case float():
            return f"{value:.3f}"
        case dict():
            return ", ".join(f"{key}={item}" for key, item in value.items())
        case _:
            return str(value)


_pages = Environment(
    loader=DictLoader({"base": _BASE, "login": _LOGIN, "first": _FIRST}), autoescape=True
)
_pages.filters["moment"] = _moment


@router.get("/", response_class=HTMLResponse)
def first_page(parts: PartsDep, actor: Viewer) -> str:
    """Show everything on one page."""
    wanted = JobFilter(limit=ROWS)
    with parts.database.transaction() as transaction:
        rows = transaction.all("list_instances", after="", limit=ROWS)
        jobs = [*reversed(upcoming_jobs(transaction, wanted)), *list_jobs(transaction, wanted)]
    tables: Sequence[tuple[str, Sequence[str], Sequence[Any]]] = (
        ("Instances", _INSTANCES, [instance_view(row) for row in rows]),
        ("Jobs", _JOBS, jobs),
        ("Nodes", _NODES, list_nodes(parts.database, parts.loads)),
    )
    return _pages.get_template("first").render(actor=actor, now=parts.clock.now(), tables=tables)


@router.get("/login", response_class=HTMLResponse)
def login_page(_: Anybody) -> str:
    """Ask for a name and a password."""
    return _pages.get_template("login").render()


@router.post("/login", response_model=None)
def log_in(
    request: Request,
    parts: PartsDep,
    _: Anybody,
    name: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=200)],
) -> HTMLResponse | RedirectResponse:
    """Log in and show the first page."""
    require_same_origin(request)
    address = request.client.host if request.client else "unknown"
    try:
        session = parts.people.log_in(name, password, address)
    except (LoginRefusedError, TooManyTriesError) as error:
        page = _pages.get_template("login").render(wrong=str(error))
        return HTMLResponse(page, 401)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(COOKIE, session.cookie, max_age=12 * 3600, secure=parts.is_tls,
                      httponly=True, samesite="strict")  # fmt: skip
    return answer
