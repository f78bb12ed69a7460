"""Logs: one JSON object a line on stdout, event name first, ids as fields, secrets as ``***``.

`logger` is all that a room needs; `configure` is called once, by `common.lifecycle` or the CLI.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

from common.lean_structlog import structlog
from common.secret import Secret

_SECRET_KEY = re.compile(r"passw|secret|token|credential|private_key|authorization", re.IGNORECASE)
_HIDDEN = "***"
_QUIET = ("kafka", "paramiko", "urllib3", "docker", "httpx", "asyncio", "mysql")


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of one room; `name` becomes the field ``room``."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(room=name)
    return bound


def configure(service: str, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records to `stream` (stdout).

    The drivers tell their troubles by exceptions that our doors translate; their own log lines, one
    a reconnect, only appear with level DEBUG.
    """
    numeric = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _name_service(service),
        redact,
    ]
    out = stream or sys.stdout
    structlog.configure(
        processors=[*shared, *_renderers(out)],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _configure_standard_library(shared, numeric, out)


def redact(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Hide `Secret` values, and whatever stands under a key that sounds like one."""
    for key, value in event.items():
        event[key] = _cleaned(key, value)
    return event


def _cleaned(key: str, value: Any) -> Any:
    if isinstance(value, Secret) or (_SECRET_KEY.search(key) and value is not None):
        return _HIDDEN
    if isinstance(value, Mapping):
        return {inner: _cleaned(str(inner), each) for inner, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cleaned("", each) for each in value]
    return value


def _name_service(service: str) -> structlog.typing.Processor:
    def add(
        _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    return add


def _renderers(out: TextIO) -> list[structlog.typing.Processor]:
    if out.isatty():
        return [_shorten_exception, structlog.dev.ConsoleRenderer()]
    ordered = ["event", "level", "time", "service", "room"]
    return [
        structlog.processors.format_exc_info,
        _put_first(ordered),
        structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
    ]


def _put_first(keys: list[str]) -> structlog.typing.Processor:
    def reorder(
        _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        head = {key: event[key] for key in keys if key in event}
        return {**head, **event}

    return reorder


def _shorten_exception(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """At a person's terminal an error is a line, not a traceback."""
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info
    if isinstance(error, tuple):
        error = error[1]
    if error:
        event["error"] = f"{type(error).__name__}: {error}"
    return event


def _configure_standard_library(
    shared: list[structlog.typing.Processor], level: int, out: TextIO
) -> None:
    handler = logging.StreamHandler(out)
    processors = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(out)]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=processors)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(level if level <= logging.DEBUG else logging.CRITICAL)
