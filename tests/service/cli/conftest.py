"""The `rota` command in this process, against a real application manager on fakes over HTTP."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import cli.output
from application_manager.server import HttpConfig, HttpServer
from cli.__main__ import main
from common.clock import ManualClock
from tests.service.application_manager.bench import NOON, TOKEN, World, world

GOLDEN = Path(__file__).parent / "golden"
IS_UPDATE = bool(os.environ.get("ROTA_UPDATE_GOLDEN"))


@dataclass
class Outcome:
    """How one call of the command ended."""

    code: int
    out: str
    err: str


@dataclass
class Command:
    """Runs the command as a person would, at a fixed time in UTC."""

    world: World
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def __call__(self, *words: str, stdin: str | None = None) -> Outcome:
        for module in [name for name in sys.modules if name.startswith("cli.schedule")]:
            del sys.modules[module]
        self.patch.setattr(sys, "argv", ["rota", *words])
        text = io.TextIOWrapper(io.BytesIO((stdin or "").encode()))
        self.patch.setattr(sys, "stdin", text)
        with pytest.raises(SystemExit) as ended:
            main()
        said = self.capture.readouterr()
        code = ended.value.code
        return Outcome(code if isinstance(code, int) else 0, said.out, said.err)


@contextmanager
def serving(made: World) -> Iterator[int]:
    server = HttpServer(made.client.app, HttpConfig("127.0.0.1", 0))  # type: ignore[arg-type]
    server.run_once()
    yield server.port
    made.parts.stopping.set()
    server.close()


@pytest.fixture
def rota(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Command]:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    monkeypatch.setattr(cli.output, "SystemClock", lambda: ManualClock(NOON))
    for key in [key for key in os.environ if key.startswith("ROTA_")]:
        monkeypatch.delenv(key)
    with world() as made, serving(made) as port:
        monkeypatch.setenv("ROTA_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("ROTA_TOKEN_FILE", str(token))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        monkeypatch.setenv("TZ", "UTC")
        monkeypatch.setenv("COLUMNS", "100")
        yield Command(made, capsys, monkeypatch)


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare with golden/NAME; ROTA_UPDATE_GOLDEN=1 writes the files instead."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if IS_UPDATE:
            path.write_text(text)
        assert path.read_text() == text

    return check
