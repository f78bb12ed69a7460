"""Remakes images/services/constraints.txt from requirements.txt: `python -m images.pins`."""

import subprocess
import sys
import tempfile
from pathlib import Path

from images.artefacts import CONSTRAINTS, pip_download_command

_HEAD = """\
# Exact versions in the services image: all that requirements.txt pulls in.
# Remade by `python -m images.pins`.
"""


def main() -> int:
    """Resolve requirements.txt anew for the image's Python and write what came out."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(pip_download_command(Path(folder)), check=True)
        pins = sorted(pin_of(wheel.name) for wheel in Path(folder).glob("*.whl"))
    CONSTRAINTS.write_text(_HEAD + "\n".join(pins) + "\n")
    print(f"{len(pins)} versions in {CONSTRAINTS}")
    return 0


def pin_of(wheel: str) -> str:
    """Return `name==version` of a wheel's file name.

    >>> pin_of("mysql_connector_python-9.7.0-cp311-cp311-manylinux_2_28_x86_64.whl")
    'mysql-connector-python==9.7.0'
    """
    name, version = wheel.split("-")[:2]
    return f"{name.replace('_', '-').lower()}=={version}"


if __name__ == "__main__":
    sys.exit(main())
