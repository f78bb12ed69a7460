"""What the host fetches for an image before the build, kept under .build/ by the hash of its list.

Inside a build there may be no certificate bundle for these sources, so the host asks.
"""

import hashlib
import platform
import shutil
import sys
from pathlib import Path
from typing import IO

from images.catalogue import REPOSITORY
from images.docker_cli import run_logged

BUILD = REPOSITORY / ".build"
CONSTRAINTS = REPOSITORY / "images/services/constraints.txt"
_REQUIREMENTS = REPOSITORY / "requirements.txt"
_GLIBC_MINORS = (36, 35, 34, 31, 28, 27, 26, 24, 17, 12, 5)  # Debian 12 has 2.36


def fetch(artefact: str, log: IO[bytes]) -> tuple[str, Path]:
    """Return (its folder's name in the build context, the folder on disk), fetching if absent."""
    if artefact == "kafka-jars":
        return "jars", _fetch_kafka_jars(log)
    if artefact == "wheelhouse":
        return "wheelhouse", _fetch_wheels(log)
    raise ValueError(artefact)


def pip_download_command(target: Path, *extra: str) -> list[str]:
    """Return the argv that downloads the wheels of requirements.txt for Debian 12's Python."""
    machine = platform.machine()
    command = [sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:"]
    command += ["--python-version", "3.11", "--implementation", "cp"]
    for abi in ("cp311", "abi3", "none"):
        command += ["--abi", abi]
    for minor in _GLIBC_MINORS:
        command += ["--platform", f"manylinux_2_{minor}_{machine}"]
    command += ["--platform", f"manylinux2014_{machine}", "--platform", f"linux_{machine}"]
    return [*command, *extra, "-r", str(_REQUIREMENTS), "-d", str(target)]


def _fetch_wheels(log: IO[bytes]) -> Path:
    key = _hash_of(_REQUIREMENTS, CONSTRAINTS)
    target = BUILD / "wheelhouse" / key
    if not target.is_dir():
        fresh = _fresh(target)
        run_logged(pip_download_command(fresh, "-c", str(CONSTRAINTS)), log)
        fresh.rename(target)
    return target


def _fetch_kafka_jars(log: IO[bytes]) -> Path:
    pom = REPOSITORY / "images/kafka/pom.xml"
    target = BUILD / "kafka" / _hash_of(pom)
    if not target.is_dir():
        fresh = _fresh(target)
        run_logged(["mvn", "-B", "-ntp", "-q", "-f", str(pom), "dependency:copy-dependencies",
                    "-DincludeScope=runtime", f"-DoutputDirectory={fresh}"], log)
        fresh.rename(target)
    return target


def _fresh(target: Path) -> Path:
    """Return an empty folder beside `target`: only a complete fetch gets the final name."""
    fresh = target.with_name(target.name + ".part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    return fresh


def _hash_of(*paths: Path) -> str:
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:12]
