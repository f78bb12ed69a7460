"""Processor time used by servers and replicas: what a job costs, whoever else is at work.

Wall time on a shared machine says little; this says what is left to be saved, and where.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def seconds_of_container(name: str) -> float:
    """Return the processor time of all of a container's processes so far; cgroup v1 or v2."""
    asked = ["docker", "inspect", "-f", "{{.State.Pid}}", name]
    pid = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpuacct" in controllers:
            return int(_read(_GROUPS / "cpuacct" / path[1:] / "cpuacct.usage")) / 1e9
        if not controllers and (_GROUPS / path[1:] / "cpu.stat").exists():
            return int(_read(_GROUPS / path[1:] / "cpu.stat").split()[1]) / 1e6
    raise RuntimeError(f"the kernel does not account for {name}")


def seconds_of_process(pid: int) -> float:
    """Return the processor time of a process so far, user and system."""
    fields = _read(Path(f"/proc/{pid}/stat")).rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
