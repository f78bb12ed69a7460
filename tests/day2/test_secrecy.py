"""What a stranger finds: no secret outside its files, no port but the published ones."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.conftest import platform
from tests.e2e.platform import MACHINES, Platform

__all__ = ["platform"]  # its fixture: a platform of its own

PORTS = range(1, 20001)
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


def test_only_sshd_and_the_published_ports_answer_on_a_machine(platform: Platform) -> None:
    status = platform.json("platform", "status", "-f", str(platform.file))
    addresses = {one["machine"]: one["address"] for one in status["machines"]}
    page = int(status["url"].rsplit(":", 1)[1])
    published = {"kafka": 9092, "mysql": 3306, "application_manager": page, "client": 7110}
    for machine in MACHINES:
        here = {one["service"] for one in status["services"] if one["machine"] == machine}
        meant = {22} | {port for service, port in published.items() if service in here}
        answering = _answering(addresses[machine])
        assert 22 in answering
        assert answering <= meant, f"{machine}: {answering - meant}"
        assert _on_other_addresses(platform, machine, addresses[machine]) <= {"22"}


def _answering(address: str) -> set[int]:
    with ThreadPoolExecutor(200) as threads:
        answers = threads.map(lambda port: _answers(address, port), PORTS)
        return {port for port, is_open in zip(PORTS, answers, strict=True) if is_open}


def _answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=0.3):
            return True
    except OSError:
        return False


def _on_other_addresses(platform: Platform, machine: str, private: str) -> set[str]:
    """Return the ports that listen on an address which is neither private nor the machine's own."""
    listening = platform.on_machine(machine, "ss", "-ltnH").splitlines()
    places = [line.split()[3].rsplit(":", 1) for line in listening]
    return {port for address, port in places
            if address.strip("[]") not in {private, "::1"} and not address.startswith("127.")}  # fmt: skip
