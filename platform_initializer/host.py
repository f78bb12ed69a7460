"""One machine as the steps use it: commands as root, files in bulk, the lock; errors as `Failure`s.

What varies is an argument of a constant script, never part of it; secrets go through stdin.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from common.errors import RotaError
from common.secret import APP_SECRETS
from common.ssh import SshConnection, SshStream, SshUnreachableError
from platform_initializer.errors import Failure, LockHeldError, MachineError

AS_ROOT = 'if [ "$(id -u)" = 0 ]; then exec "$@"; else exec sudo -n -- "$@"; fi'
LOCK = "/run/rota.lock"
_HOLD = 'exec 9> "$1"; flock -n 9 || exit 75; echo held; cat > /dev/null'
_INSTALL = """\
set -eu
draft=$(mktemp -d /etc/.rota.XXXXXXXX)
trap 'rm -rf -- "$draft"' EXIT
tar -C "$draft" -xp --same-owner -f -
cd "$draft"
find . -mindepth 1 -type d | sort | while IFS= read -r path; do
    path=${path#.}
    [ -d "$path" ] || mkdir -m "$(stat -c %a ".$path")" -- "$path"
    case $path in /etc/rota/secrets/*|/var/lib/rota-sampler*)
        chown "$(stat -c %u:%g ".$path")" "$path"; chmod "$(stat -c %a ".$path")" "$path" ;; esac
done
sync -f .
find . -type f | while IFS= read -r path; do mv -fT -- "$path" "${path#.}"; done
sync -f /etc/rota
"""


@dataclass(frozen=True)
class RemoteFile:
    """One file that is to be on a machine. Its folder gets the same owner when it is a secret's."""

    path: str
    content: bytes
    mode: int = 0o644
    uid: int = 0


def as_root(argv: Sequence[str]) -> list[str]:
    """Return the command that runs `argv` as root, through sudo where the user is not."""
    return ["sh", "-c", AS_ROOT, "rota", *argv]


class Host:
    """One machine with a kept connection. Safe to share between threads.

    `patience` multiplies every time limit: an emulated machine takes a dozen times as long.
    """

    def __init__(self, name: str, connection: SshConnection, patience: float = 1.0) -> None:
        self.name = name
        self.patience = patience
        self._connection = connection
        self._lock: SshStream | None = None

    def script(
        self, what: str, script: str, *arguments: str,
        stdin: bytes | Iterable[bytes] = b"", timeout_s: float = 60.0,
    ) -> str:  # fmt: skip
        """Run a constant script as root and return what it printed; raise `MachineError`."""
        argv = as_root(["sh", "-c", script, "rota", *arguments])
        shown = " ".join([script.strip().splitlines()[0][:100], *arguments])[:300]
        return self._run(what, argv, shown, (stdin, timeout_s))

    def command(self, what: str, argv: Sequence[str], timeout_s: float = 60.0) -> str:
        """Run one command as root and return what it printed; raise `MachineError`."""
        return self._run(what, as_root(argv), " ".join(argv)[:300], (b"", timeout_s))

    def feed(self, what: str, argv: Sequence[str], stdin: bytes, timeout_s: float) -> str:
        """Run one command as root with something on its stdin."""
        return self._run(what, as_root(argv), " ".join(argv)[:300], (stdin, timeout_s))

    @contextmanager
    def streaming(self, script: str, *arguments: str) -> Iterator[SshStream]:
        """Run a constant script as root that goes on; its output is read from the stream."""
        stream = self._connection.stream(as_root(["sh", "-c", script, "rota", *arguments]))
        try:
            yield stream
        finally:
            stream.close()

    def install(self, files: Sequence[RemoteFile]) -> None:
        """Put files where they belong: mode and owner before content is seen, then renamed."""
        self.script("writing its files", _INSTALL, stdin=archive(files))

    def take_lock(self) -> None:
        """Hold the machine's lock until the connection ends; raise `LockHeldError`."""
        argv = as_root(["sh", "-c", _HOLD, "rota", LOCK])
        self._lock = self._connection.stream(argv)
        try:
            self._lock.write(b"\n")
            self._lock.read_until(b"held\n", 10.0 * self.patience)
        except SshUnreachableError as error:
            self.command("becoming root", ["true"])  # no right to that ends the stream just so
            raise LockHeldError(
                f"{self.name}: another `rota platform` command holds {LOCK} there"
            ) from error

    def close(self) -> None:
        """Let go of the lock and the connection."""
        if self._lock is not None:
            self._lock.close()
        self._connection.close()

    def _run(
        self, what: str, argv: Sequence[str], shown: str,
        feed: tuple[bytes | Iterable[bytes], float],
    ) -> str:  # fmt: skip
        try:
            done = self._connection.run(argv, feed[0], feed[1] * self.patience)
        except RotaError as error:
            raise MachineError(Failure(
                self.name, what, str(error).removeprefix(f"{self.name}: "), shown,
                next_step="see whether the machine is up, then run the same command again",
            )) from error  # fmt: skip
        if done.exit_code == 0:
            return done.stdout.decode("utf-8", "replace")
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        raise MachineError(explain(Failure(
            self.name, what, said[-1] if said else "it said nothing", shown, done.exit_code,
            tuple(said[-12:]),
        )))  # fmt: skip


_ADVICE = (
    ("a password is required", "the user may not use sudo without a password",
     "allow it: echo 'USER ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/rota, or log in as root"),
    ("sudo: not found", "sudo is not installed and the user is not root",
     "install sudo, or log in as root (ssh: {user: root})"),
    ("is not in the sudoers file", "the user may not use sudo",
     "add it to /etc/sudoers.d, or log in as root"),
    ("No space left on device", "the disk is full",
     "free some space (df -h shows where it went) and run the same command again"),
    ("Could not resolve", "the machine does not reach its package mirror",
     "give it a way to its mirror (DNS, proxy), or install Docker Engine by hand"),
    ("Unable to locate package", "the package is not in the machine's sources",
     "look at /etc/apt/sources.list, or install Docker Engine by hand"),
    ("Unable to find a match", "the package is not in the machine's repositories",
     "see `dnf repolist`: add Docker's own repository to it, or install Docker Engine by hand"),
    ("No match for argument", "the package is not in the machine's repositories",
     "see `dnf repolist`: add Docker's own repository to it, or install Docker Engine by hand"),
    ("dpkg was interrupted", "an earlier installation was cut short",
     "run `dpkg --configure -a` on it"),
    ("Could not get lock", "another program installs packages on the machine",
     "wait for it to end and run the same command again"),
)  # fmt: skip


def explain(failure: Failure) -> Failure:
    """Add reason and fix where the last lines are a known story."""
    text = "\n".join((failure.why, *failure.last_lines))
    for mark, why, advice in _ADVICE:
        if mark in text:
            return Failure(
                failure.machine, failure.what, why, failure.command, failure.exit_code,
                failure.last_lines, advice,
            )  # fmt: skip
    return failure


def archive(files: Sequence[RemoteFile]) -> bytes:
    """Return a tar of the files with modes, owners and the folders they need."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        ordered = sorted(files, key=lambda f: f.path)
        folders = {folder: file for file in reversed(ordered) for folder in _folders(file.path)}
        for folder in sorted(folders):
            tar.addfile(_folder_entry(folder, folders[folder]))
        for file in ordered:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size, entry.mode = len(file.content), file.mode
            entry.uid = entry.gid = file.uid
            tar.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()


def _folders(path: str) -> list[str]:
    parts = path.lstrip("/").split("/")[:-1]
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def _folder_entry(folder: str, file: RemoteFile) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(folder)
    entry.type = tarfile.DIRTYPE
    entry.mode = 0o755
    if folder in {"etc/rota/secrets", APP_SECRETS.lstrip("/")}:
        entry.mode = 0o700
    elif folder.startswith("etc/rota/secrets/"):
        entry.mode, entry.uid, entry.gid = 0o500, file.uid, file.uid
    return entry
