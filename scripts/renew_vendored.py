"""Brings the dashboard's vendored files from the npm registry.

    python -m scripts.renew_vendored            renew the files and their checksums
    python -m scripts.renew_vendored --check    compare the files with their checksums, no network

A version is raised here, by hand; the registry's own integrity check guards the download.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENDOR = ROOT / "application_manager/dashboard/static/vendor"
SUMS = VENDOR / "SHA256SUMS"


@dataclass(frozen=True)
class Package:
    """One npm package and which of its files are kept, under which name."""

    name: str
    version: str
    licence: str
    files: tuple[tuple[str, str], ...]

    @property
    def short_name(self) -> str:
        return self.name.rsplit("/", maxsplit=1)[-1]


PACKAGES = (
    Package("htmx.org", "2.0.11", "0BSD", (("dist/htmx.min.js", "htmx.min.js"),)),
    Package("idiomorph", "0.8.0", "0BSD",
            (("dist/idiomorph-ext.min.js", "idiomorph-ext.min.js"),)),
    Package("@fontsource-variable/inter", "5.3.0", "OFL-1.1",
            (("files/inter-latin-wght-normal.woff2", "inter-latin.woff2"),)),
    Package("@fontsource-variable/jetbrains-mono", "5.3.0", "OFL-1.1",
            (("files/jetbrains-mono-latin-wght-normal.woff2", "jetbrains-mono-latin.woff2"),)),
)  # fmt: skip


def main() -> int:
    """Renew, or check; 1 when a file is not what its checksum says."""
    if "--check" in sys.argv[1:]:
        wrong = mismatches()
        for name in wrong:
            print(f"{name} differs from {SUMS.name}", file=sys.stderr)
        return 1 if wrong else 0
    VENDOR.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        fetch(package, VENDOR)
        print(f"{package.name} {package.version} ({package.licence})")
    lines = [f"{sha256(path)}  {path.name}" for path in vendored_files()]
    SUMS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


def mismatches() -> list[str]:
    """List vendored files that are not what SHA256SUMS says, missing and unlisted ones too."""
    lines = SUMS.read_text(encoding="utf-8").splitlines()
    told = {name: digest for digest, name in (line.split("  ") for line in lines)}
    found = {path.name: sha256(path) for path in vendored_files()}
    return sorted(name for name in told.keys() | found.keys() if told.get(name) != found.get(name))


def vendored_files() -> list[Path]:
    return sorted(path for path in VENDOR.iterdir() if path.name != SUMS.name)


def fetch(package: Package, folder: Path) -> None:
    """Put a package's chosen files and its licence into a folder."""
    wanted = (*package.files, ("LICENSE", f"LICENSE.{package.short_name}"))
    with tempfile.TemporaryDirectory() as temporary:
        done = subprocess.run(
            ["npm", "pack", "--silent", f"{package.name}@{package.version}"],
            cwd=temporary, check=True, capture_output=True, text=True,
        )  # fmt: skip
        with tarfile.open(Path(temporary) / done.stdout.strip().splitlines()[-1]) as tar:
            for inside, name in wanted:
                (folder / name).write_bytes(_member(tar, package, inside))


def _member(tar: tarfile.TarFile, package: Package, inside: str) -> bytes:
    member = tar.extractfile(f"package/{inside}")
    if member is None:
        raise SystemExit(f"{package.name} has no {inside}")
    return member.read()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
