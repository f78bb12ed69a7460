"""What a stranger finds: no secret outside its files, no port but the published ones."""

from __future__ import annotations

import gzip
import io
import json
import secrets
import subprocess
import tarfile
from pathlib import Path

import pytest

from common.secret import Secret
from platform_initializer.backup import open_archive
from platform_initializer.secret_store import SecretStore
from tests.e2e.conftest import platform
from tests.e2e.platform import MACHINES, Platform

__all__ = ["platform"]  # its fixture: a platform of its own

PASSPHRASE = "four words kept apart"
# Fed to the Python of a container on another machine's network. $1: the address.
SCAN = """\
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def answers(port):
    try:
        with socket.create_connection((sys.argv[1], port), timeout=0.5):
            return True
    except OSError:
        return False
ports = range(1, 65536)
with ThreadPoolExecutor(100) as threads:
    print(*[port for port, yes in zip(ports, threads.map(answers, ports)) if yes])
"""
NO_SECRETS = {"kafka_cluster_id"}  # kept in the store, and told to whoever asks the broker
SHORTEST = 12  # characters; what is shorter is a setting and no secret
# Secrets come on stdin and stay in a shell's variable: an argument would itself be in /proc.
LOOK = r"""
secrets=$(cat)
seen=$(mktemp -d)
logger -t rota-test "$1"
docker ps -aq | xargs docker inspect > "$seen/inspect"
for one in $(docker ps -aq); do docker logs "$one" > "$seen/log-$one" 2>&1; done
journalctl --sync; journalctl --no-pager -o cat > "$seen/journal"
find_in() { grep -laF -f <(printf '%s\n' "$1") "$seen"/* /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2> /dev/null; }
echo "looked: $(find_in "$1" | sed 's:.*/::' | sort -u | tr '\n' ' ')$(grep -c rota-client "$seen/inspect")"
find_in "$secrets" | while read -r place; do
    echo "leak: $place $(tr '\0' ' ' < "${place%environ}cmdline" 2> /dev/null | cut -c 1-60)"
done
rm -r "$seen"
"""


def _secrets_of(platform: Platform) -> list[str]:
    """Return every secret of the store; of a key in PEM its lines, each of which would betray it."""
    store = json.loads(next(platform.folder.rglob("secrets.json")).read_text())
    lines = {line for name, value in store.items() if isinstance(value, str)
             and not name.endswith("_cert") and name not in NO_SECRETS for line in value.splitlines()}  # fmt: skip
    return sorted(line for line in lines if len(line) >= SHORTEST and not line.startswith("-----"))


def test_no_secret_is_in_a_log_an_inspection_or_a_process_of_any_machine(platform: Platform) -> None:
    known = _secrets_of(platform)
    assert len(known) >= 10
    decoy = secrets.token_hex(12)
    for machine in MACHINES:
        argv = ["docker", "exec", "-i", platform.container_of(machine), "bash", "-c", LOOK, "look", decoy]
        said = subprocess.run(argv, input="\n".join(known), capture_output=True, text=True,
                              check=True, timeout=60).stdout  # fmt: skip
        looked, *leaks = said.splitlines()
        # The decoy stands in this shell's arguments and in the journal: both were really read.
        assert {"cmdline", "journal"} <= set(looked.split()), looked
        assert looked.split()[-1] != "0", "no container was inspected"
        assert leaks == [], f"{machine}: {leaks}"


def test_no_secret_is_in_what_the_initializer_says(platform: Platform) -> None:
    file = ("-f", str(platform.file))
    for words in (("plan", "-o", str(platform.folder / "look.plan")), ("status", "-o", "json"),
                  ("audit", "-o", "json", "--last", "500"), ("doctor", "-o", "json")):  # fmt: skip
        done = platform.rota("platform", *words, *file, check=False)
        said = done.stdout + done.stderr
        assert said.strip(), words
        assert [one for one in _secrets_of(platform) if one in said] == [], words
    plan = (platform.folder / "look.plan").read_text()
    assert [one for one in _secrets_of(platform) if one in plan] == []


def _back_up(platform: Platform, archive: Path, file: Path) -> bytes:
    platform.rota("platform", "backup", str(archive), "-f", str(file))
    assert archive.stat().st_mode & 0o777 == 0o600
    return archive.read_bytes()


def test_a_backup_holds_secrets_in_its_store_alone_and_leaves_none_behind(platform: Platform) -> None:
    content = _back_up(platform, platform.folder / "plain.rota", platform.file)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        parts = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]
    data = gzip.decompress(parts.pop("mysql.sql.gz"))
    assert b"CREATE TABLE" in data
    assert b"INSERT INTO `users`" in data, "their passwords were read, as hashes"
    kept = parts.pop("secrets.json").decode()
    known = _secrets_of(platform)
    assert [one for one in known if one not in kept.replace("\\n", "\n")] == []
    everything_else = data + b"".join(parts.values())
    assert [one for one in known if one.encode() in everything_else] == []
    for machine in MACHINES:
        left = platform.on_machine(machine, "sh", "-c", "grep -rlF 'CREATE TABLE' /tmp /var/tmp /root /home || true")
        assert left == "", f"{machine}: {left}"


def test_a_backup_of_an_encrypted_store_shows_nothing_without_the_passphrase(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    monkeypatch.setenv("ROTA_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    plain = json.loads(next(platform.folder.rglob("secrets.json")).read_text())
    SecretStore(tmp_path / "secrets.enc", lambda: Secret(PASSPHRASE)).adopt(plain)
    file = tmp_path / "platform.yml"
    file.write_text(platform.file.read_text().replace("secrets.json", "secrets.enc"))
    (tmp_path / "policy.json").write_text((platform.folder / "policy.json").read_text())
    content = _back_up(platform, tmp_path / "sealed.rota", file)
    shown = [*_secrets_of(platform), "CREATE TABLE", "mysql.sql.gz", "secrets.json"]
    assert [one for one in shown if one.encode() in content] == []
    assert open_archive(content).platform == platform.name
    (tmp_path / "passphrase").write_text("another passphrase")
    refused = platform.rota("platform", "restore", str(tmp_path / "sealed.rota"), "--yes",
                            "-f", str(tmp_path / "new.yml"), check=False)  # fmt: skip
    assert refused.returncode == 3
    assert "the passphrase is not" in refused.stderr
    assert not (tmp_path / "new.yml").exists()


def test_only_sshd_and_the_published_ports_answer_another_machine(platform: Platform) -> None:
    status = platform.json("platform", "status", "-f", str(platform.file))
    addresses = {one["machine"]: one["address"] for one in status["machines"]}
    page = int(status["url"].rsplit(":", 1)[1])
    published = {"kafka": 9092, "mysql": 3306, "application_manager": page, "client": 7110}
    for number, machine in enumerate(MACHINES):
        here = {one["service"] for one in status["services"] if one["machine"] == machine}
        meant = {22} | {port for service, port in published.items() if service in here}
        answering = _answering(platform, MACHINES[number - 1], addresses[machine])
        assert 22 in answering
        assert answering <= meant, f"{machine}: {answering - meant}"
        assert _on_other_addresses(platform, machine, addresses[machine]) <= {"22"}


def _answering(platform: Platform, scanner: str, address: str) -> set[int]:
    """Return all TCP ports of an address that answer a machine of the platform."""
    argv = ["docker", "exec", "-i", platform.container_of(scanner), "docker", "exec", "-i",
            "rota-client", "python3", "-", address]  # fmt: skip
    said = subprocess.run(argv, input=SCAN, capture_output=True, text=True, check=True, timeout=240)
    return {int(port) for port in said.stdout.split()}


def _on_other_addresses(platform: Platform, machine: str, private: str) -> set[str]:
    """Return the ports that listen on an address which is neither private nor the machine's own."""
    listening = platform.on_machine(machine, "ss", "-ltnH").splitlines()
    places = [line.split()[3].rsplit(":", 1) for line in listening]
    return {port for address, port in places
            if address.strip("[]") not in {private, "::1"} and not address.startswith("127.")}  # fmt: skip
