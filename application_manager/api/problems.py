"""Errors over HTTP: RFC 9457 problems with a `code` and, for files, `errors[]`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from application_manager.asks import JobEndedError, NoSuchNodeError, NoSuchRequestError
from application_manager.ledger import NoSuchJobError
from application_manager.log_reader import MachineUnreachableError, NoOutputError
from application_manager.people import LoginRefusedError, TooManyTriesError
from application_manager.registry import NotRegisteredError
from application_manager.schedules import ConflictError, InvalidFilesError, NoSuchInstanceError
from application_manager.versions import NoSuchVersionError
from common.db import DuplicateKeyError
from common.errors import Retryable, RotaError
from common.logs import logger

MEDIA_TYPE = "application/problem+json"
_CODES: Mapping[type[RotaError], tuple[int, str]] = {
    NoSuchJobError: (404, "no_such_job"),
    NoSuchInstanceError: (404, "no_such_instance"),
    NoSuchRequestError: (404, "no_such_request"),
    NoSuchVersionError: (404, "no_such_version"),
    NoSuchNodeError: (404, "no_such_node"),
    NotRegisteredError: (404, "not_registered"),
    JobEndedError: (409, "job_has_ended"),
    ConflictError: (409, "conflict"),
    DuplicateKeyError: (409, "exists_already"),
    NoOutputError: (404, "no_output"),
    LoginRefusedError: (401, "login_refused"),
}

_log = logger("application_manager.api")


class ApiError(Exception):
    """An answer that is not the one asked for."""

    def __init__(self, status: int, code: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.more = more


def problem(error: ApiError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Write an error as RFC 9457 has it."""
    body = {
        "type": f"urn:rota:problem:{error.code}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        **error.more,
    }
    return JSONResponse(jsonable_encoder(body), error.status, headers, MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    """Let every error leave as a problem."""

    @app.exception_handler(ApiError)
    def _api(request: Request, error: ApiError) -> Response:
        if error.status == HTTPStatus.UNAUTHORIZED and wants_page(request):
            wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/login?next={quote(wanted)}", 303)
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
        return problem(error, headers)

    @app.exception_handler(InvalidFilesError)
    def _files(_: Request, error: InvalidFilesError) -> Response:
        errors = [each.as_dict() for each in error.problems]
        return problem(ApiError(422, "invalid_files", str(error), errors=errors))

    @app.exception_handler(TooManyTriesError)
    def _tries(_: Request, error: TooManyTriesError) -> Response:
        wait = {"Retry-After": str(error.wait_s)}
        return problem(ApiError(429, "too_many_tries", str(error)), wait)

    @app.exception_handler(RotaError)
    def _ours(_: Request, error: RotaError) -> Response:
        return _rota_problem(error)

    @app.exception_handler(RequestValidationError)
    def _request(_: Request, error: RequestValidationError) -> Response:
        errors = [_field_problem(each) for each in error.errors()]
        return problem(ApiError(422, "invalid_request", "the request is not valid", errors=errors))

    @app.exception_handler(HTTPException)
    def _http(_: Request, error: HTTPException) -> Response:
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return problem(ApiError(error.status_code, code, str(error.detail)), error.headers)

    @app.exception_handler(Exception)
    def _other(_: Request, error: Exception) -> Response:
        _log.error("request_failed", exc_info=error)
        return problem(ApiError(500, "internal_error", "this is a mistake of ours; see the log"))


def wants_page(request: Request) -> bool:
    """Tell whether a browser shows a page, as against a program that calls."""
    is_page = not request.url.path.startswith("/api/")
    return is_page and request.method == "GET" and "html" in request.headers.get("accept", "")


def _rota_problem(error: RotaError) -> JSONResponse:
    if isinstance(error, MachineUnreachableError):
        return problem(ApiError(502, "machine_unreachable", str(error)))
    if isinstance(error, Retryable):
        _log.warning("request_not_answered", error=f"{type(error).__name__}: {error}")
        unavailable = ApiError(503, "unavailable", "the database does not answer; try again soon")
        return problem(unavailable, {"Retry-After": "2"})
    for kind, (status, code) in _CODES.items():
        if isinstance(error, kind):
            return problem(ApiError(status, code, str(error)))
    _log.error("request_failed", exc_info=error)
    return problem(ApiError(500, "internal_error", "this is a mistake of ours; see the log"))


def _field_problem(error: Mapping[str, Any]) -> dict[str, Any]:
    path = ".".join(str(part) for part in error["loc"])
    return {"file": "", "line": None, "column": None, "path": path, "code": str(error["type"]),
            "message": str(error["msg"]), "hint": None}  # fmt: skip
