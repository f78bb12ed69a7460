"""A running platform as its users have it: three machines, driven by the `rota` command alone.

What the command cannot show (containers, processes) is read on the machines themselves, so that
the platform is not its own witness.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common.bus.kafka import KafkaBus
from common.config import KafkaConfig
from common.secret import Secret

REPOSITORY = Path(__file__).resolve().parents[2]
MACHINES = ("m1", "m2", "m3")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
TERMINAL = {
    "SUCCEEDED", "FAILED", "TIMED_OUT", "ENDED", "CANCELLED", "MISSED", "SKIPPED",
    "UPSTREAM_FAILED", "LOST",
}  # fmt: skip


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the tests' own watch


@dataclass
class Platform:
    """One platform under test; `folder` holds its file, secrets and the CLI's configuration.

    `since` is when the present try of a test began: jobs of an earlier try are not its own.
    """

    name: str
    folder: Path
    since: datetime = LONG_AGO

    @property
    def file(self) -> Path:
        return self.folder / "platform.yml"

    def rota(
        self, *arguments: str, check: bool = True, timeout: float = 120, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command as a person would, in a home of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            cwd=REPOSITORY,
            env={**os.environ, "HOME": str(self.folder), "XDG_CONFIG_HOME": "", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=timeout,
            input=stdin,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"rota {' '.join(arguments)} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def json(self, *arguments: str) -> Any:
        return json.loads(self.rota(*arguments, "-o", "json").stdout)

    def apply(self, text: str) -> None:
        """Upload a schedule file."""
        self.rota("schedule", "apply", "-", "--yes", stdin=text)

    def jobs(self, instance: str) -> list[dict[str, Any]]:
        """Return the instance's jobs that are in the ledger, oldest first."""
        rows = self.json("job", "list", "--instance", instance, "--limit", "200")
        own = [
            row
            for row in rows
            if row["state"] != "PLANNED" and datetime.fromisoformat(row["due"]) >= self.since
        ]
        return sorted(own, key=lambda row: row["due"])

    def on_machine(self, machine: str, *command: str, check: bool = True) -> str:
        """Run a command on a machine, past the platform."""
        argv = ["docker", "exec", self.container_of(machine), *command]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        if check and done.returncode != 0:
            raise AssertionError(f"{machine}: {' '.join(command)}: {done.stderr}")
        return done.stdout

    def container_of(self, machine: str) -> str:
        """Name the container that plays a machine on this host."""
        listed = subprocess.run(
            ["docker", "ps", "-a", "--filter", f"label=io.rota.platform={self.name}",
             "--format", "{{.Names}}"],
            capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
        return next(name for name in listed if name.endswith(machine))

    def machines(self) -> Sequence[str]:
        """Name the machines of the platform."""
        return MACHINES

    def service_home(self, service: str) -> tuple[str, str]:
        """Return (machine, container) of a service."""
        for machine in self.machines():
            if container := self.service_on(service, machine):
                return machine, container
        raise AssertionError(f"{service} runs nowhere")

    def service_on(self, service: str, machine: str) -> str | None:
        """Name a service's container on a machine, if it runs there."""
        names = self.on_machine(
            machine, "docker", "ps", "--filter", f"label=io.rota.service={service}",
            "--format", "{{.Names}}",
        ).split()  # fmt: skip
        return names[0] if names else None

    def kill_service(self, service: str, machine: str | None = None) -> None:
        """Kill -9 the main process of a service, as the kernel's out-of-memory killer would."""
        if machine is None:
            machine, container = self.service_home(service)
        else:
            container = self.service_on(service, machine)
            assert container, f"{service} does not run on {machine}"
        pid = self.on_machine(machine, "docker", "inspect", "-f", "{{.State.Pid}}", container)
        # Not `docker kill`: Docker would take that for an order and not restart the container.
        self.on_machine(machine, "kill", "-9", pid.strip())

    def admin_bus(self) -> KafkaBus:
        """Reach the platform's Kafka as its administrator: no service may write every topic."""
        status = self.json("platform", "status", "-f", str(self.file))
        secrets = json.loads(next(self.folder.rglob("secrets.json")).read_text())
        return KafkaBus(
            KafkaConfig(
                tuple(status["kafka"].split(",")), "rota_admin", Secret(secrets["kafka_rota_admin"]),
                str(next(self.folder.rglob("ca.pem"))),
            ),
            "test",
        )


def wait_for(
    what: str, probe: Callable[[], Any], timeout_s: float = 60.0, every_s: float = 0.5
) -> Any:
    """Return the probe's first true answer; an `AssertionError` says what was awaited in vain."""
    deadline = time.monotonic() + timeout_s
    last: Any = None
    while time.monotonic() < deadline:
        last = probe()
        if last:
            return last
        time.sleep(every_s)
    raise AssertionError(f"{what}: not within {timeout_s:.0f} s; last seen: {last!r}")
