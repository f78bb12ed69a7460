"""Machines of one's own and a platform's file for them, as whoever runs several brokers has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from tests.day2.operator import Operator
from tests.e2e.platform import REPOSITORY
from tests.e2e.schedules import IMAGE

FILE = """\
version: 1
platform: {name}
ssh: {{user: deploy, keys: [key]}}
machines:
{machines}
images: {{apps: ["{image}"]}}
secrets: {{store: ./secrets.json}}
{more}
"""
MACHINE = """\
  - name: {name}
    address: "{address}"
    host_key: "{key}"
"""


@contextmanager
def operator_of(name: str, machines: Sequence[str], folder: Path) -> Iterator[Operator]:
    """Yield an operator whose machines are up and bare; all go at the end.

    ``ROTA_BROKERS_KEEP=FOLDER:TAG`` takes and leaves them, for whoever works on these tests.
    """
    for script in ("ensure-docker.sh", "ensure-lxcfs.sh"):
        subprocess.run(["bash", str(REPOSITORY / "scripts" / script)], check=True)
    subprocess.run([sys.executable, "-m", "images.build"], cwd=REPOSITORY, check=True)
    kept = os.environ.get("ROTA_BROKERS_KEEP")
    where, tag = kept.split(":") if kept else (folder, token_hex(3))
    one = Operator(name, Path(where), tag=f"{name}-{tag}")
    try:
        for machine in machines:
            one.make_machine(machine)
        yield one
    finally:
        if not kept:
            one.close()


def write_file(operator: Operator, machines: Sequence[str], more: str) -> None:
    """Write the platform's file for some of the machines."""
    listed = "".join(
        MACHINE.format(name=name, address=operator.address(name), key=operator.fingerprint(name))
        for name in machines
    )
    operator.file.write_text(
        FILE.format(name=operator.name, machines=listed.rstrip("\n"), image=IMAGE, more=more)
    )
