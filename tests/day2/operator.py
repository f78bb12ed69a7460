"""An operator with bare machines of their own and the `rota` command, as on the second day."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from dataclasses import dataclass

from images.machine_run import MachineRun, machine_run_args
from platform_initializer.machines.docker import fingerprint_of
from tests.e2e.platform import REPOSITORY, Platform, wait_for

PASSPHRASE = "four words kept apart"
ARGV = (sys.executable, "-m", "cli")


@dataclass
class Operator(Platform):
    """Machines are containers named m1, m2...; all go when the test is over."""

    tag: str = "0"

    def __post_init__(self) -> None:
        self.made: list[str] = []
        key = self.folder / "key"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        passphrase = self.folder / "passphrase"
        passphrase.write_text(PASSPHRASE)
        os.environ["ROTA_PASSPHRASE_FILE"] = str(passphrase)

    def make_machine(self, name: str, memory: str = "3g") -> str:
        """Start a bare machine, if it is not there; return its address."""
        if subprocess.run(["docker", "inspect", self.container_of(name)], check=False,
                          capture_output=True).returncode == 0:  # fmt: skip
            return self.address(name)
        key = (self.folder / "key.pub").read_text().strip()
        run = MachineRun(name=f"rota-day2-{self.tag}-{name}", authorized_key=key, memory=memory,
                         labels={"io.rota.platform": self.name})  # fmt: skip
        subprocess.run(machine_run_args(run), check=True, capture_output=True)
        self.made.append(run.name)
        self.fingerprint(name)
        return self.address(name)

    def address(self, name: str) -> str:
        return _output("docker", "inspect", "-f",
                       "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
                       f"rota-day2-{self.tag}-{name}").strip()  # fmt: skip

    def fingerprint(self, name: str) -> str:
        """Read a machine's host key on its console, as a careful operator does."""
        script = ("for n in $(seq 100); do systemctl is-active -q ssh && exec cat"
                  " /etc/ssh/ssh_host_ed25519_key.pub; sleep 0.2; done; exit 1")  # fmt: skip
        return fingerprint_of(_output("docker", "exec", f"rota-day2-{self.tag}-{name}", "sh", "-c",
                                      script))  # fmt: skip

    def container_of(self, machine: str) -> str:
        return f"rota-day2-{self.tag}-{machine}"

    def destroy_machine(self, name: str) -> None:
        subprocess.run(["docker", "rm", "-f", "-v", self.container_of(name)], capture_output=True,
                       check=False)  # fmt: skip

    def close(self) -> None:
        for name in self.made:
            subprocess.run(["docker", "rm", "-f", "-v", name], capture_output=True, check=False)
        os.environ.pop("ROTA_PASSPHRASE_FILE", None)

    def ops(self, *arguments: str, code: int = 0, timeout: float = 400) -> str:
        """Run `rota platform ... -f FILE`; return all it said."""
        done = self.rota("platform", *arguments, "-f", str(self.file), check=False, timeout=timeout)
        said = done.stdout + done.stderr
        assert done.returncode == code, (arguments, done.returncode, said)
        assert "Traceback" not in said
        return said

    def typed(self, arguments: list[str], answers: list[tuple[str, str]]) -> tuple[int, str]:
        """Run a command at a terminal and type answers to its questions; return (code, screen)."""
        master, slave = pty.openpty()
        env = {**os.environ, "HOME": str(self.folder), "XDG_CONFIG_HOME": "", "TERM": "xterm",
               "COLUMNS": "100"}  # fmt: skip
        with subprocess.Popen([*ARGV, *arguments], stdin=slave, stdout=slave, stderr=slave,
                              cwd=REPOSITORY, env=env, close_fds=True) as process:  # fmt: skip
            os.close(slave)
            screen = _converse(master, process, answers)
        os.close(master)
        return process.returncode, screen

    def services(self) -> dict[tuple[str, str], dict[str, object]]:
        """Return the rows of status by (machine, service)."""
        rows = self.json("platform", "status", "-f", str(self.file))["services"]
        return {(row["machine"], row["service"]): row for row in rows}

    def machines(self) -> list[str]:
        """Name the machines of the platform as it is now."""
        return sorted({machine for machine, _ in self.services()})

    def assert_well(self) -> None:
        """Require that every service gets ready, and that nothing is left to do.

        One that answers late once, on a host that others use too, is not unwell.
        """
        wait_for("every service to be ready", self._told_well, 60.0, 2.0)
        self.ops("plan", "--detailed-exitcode")

    def _told_well(self) -> bool:
        sick = {key: (row["health"], row["detail"]) for key, row in self.services().items()
                if row["health"] not in {"ready", "healthy"}}  # fmt: skip
        if sick:
            print(f"not well: {sick}", file=sys.stderr)
        return not sick


def _converse(master: int, process: subprocess.Popen[bytes], answers: list[tuple[str, str]]) -> str:
    screen, waiting = "", list(answers)
    answered = 0
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        ready, _, _ = select.select([master], [], [], 0.2)
        if ready:
            try:
                chunk = os.read(master, 65536)
            except OSError:  # the terminal closes when its last user ends
                break
            screen += chunk.decode("utf-8", "replace")
        elif process.poll() is not None:
            break
        if waiting and re.search(waiting[0][0], screen[answered:]):
            answered = len(screen)
            os.write(master, (waiting.pop(0)[1] + "\n").encode())
    assert not waiting, f"never asked {waiting[0][0]!r}: {screen}"
    return screen


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout
